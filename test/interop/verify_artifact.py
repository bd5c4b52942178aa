#!/usr/bin/env python3
"""A second verifier of authorization artifacts, made from docs/artifact.md and docs/schema: verify_artifact.py VECTORS SCHEMAS
Answers every decision and every payload of an artifact below VECTORS; exits with 1 when one differs. Needs `cryptography`."""
import base64, hashlib, json, re, sys
from datetime import datetime, timezone
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from request_scope import below, fits, scope_wrong, wider
from strict_json import Refused, need, octets, strict_base64, strict_json, valid

load = lambda path: json.loads(path.read_text('utf-8'))
ROOT = Path(sys.argv[1])
SCHEMA = load(Path(sys.argv[2]) / 'authorization-v1.schema.json')
def ms(at): return round(datetime.strptime(at, '%Y-%m-%dT%H:%M:%S.%fZ').replace(tzinfo=timezone.utc).timestamp() * 1000)

# --- the statement ------------------------------------------------------------------------------------------------
def times(it):
    for at in it:
        try: need(ms(at) is not None and at[17:19] != '60', 'time')
        except ValueError: raise Refused('no such instant')
SEALED = {'publicArea': (40, 256), 'duplicate': (40, 512), 'encryptedSeed': (32, 1024), 'authValue': (80, 80)}
def distinct(items): need(len(set(items)) == len(items), 'twice')
def one_terminal(s): return 'terminal' not in s.values() or set(s.values()) == {'terminal'}
def statement(payload):
    s = strict_json(payload, 96 * 1024, 8)
    need(valid(SCHEMA, s), 'schema')
    p = s['predicate']; scope, v, who = p['scope'], p['validity'], p['initiator']
    times([v['notBefore'], v['notAfter']])
    need(v['notBefore'] < v['notAfter'], 'ends before it begins')
    need(p['onLapse'] == 'kill' or not scope['devices'], 'devices freeze')
    need(who['programs'] == 'any' or any(who[k] != 'any' for k in who if k != 'programs'), 'programs alone')
    need(scope['stdio'] == 'any' or one_terminal(scope['stdio']), 'terminal')
    if scope['env'] != 'any': distinct([e['name'] for e in scope['env']])
    distinct([x['name'] for x in s['subject']]); distinct([f['path'] for f in scope['files']])
    for e in ([] if scope['argv'] == 'any' else scope['argv']): need(not isinstance(e, str) or len(e.encode()) <= 131071, 'argument')
    for e in p.get('secrets', []):
        need(28 <= len(strict_base64(e['payload'])) <= 32796, 'secret'); distinct([r['host'] for r in e['recipients']])
        for r in e['recipients']:
            for k, (least, most) in SEALED.items(): need(least <= len(strict_base64(r[k])) <= most, k)
    distinct([e['name'] for e in p.get('secrets', [])]); distinct([e['descriptor'] for e in p.get('secrets', [])])
    need(scope['program']['path'] not in [f['path'] for f in scope['files']], 'program again')
    named = {x['name']: x['digest'] for x in s['subject']}
    need({scope['program']['subject'], *(f['subject'] for f in scope['files'])} == set(named), 'subjects')
    need('writTreeV1' not in named[scope['program']['subject']], 'a directory is no program')
    for f in scope['files']: need((f['role'] == 'tree') == ('writTreeV1' in named[f['subject']]) and (f['role'], f['path']) != ('tree', '/'), 'tree')
    return s

# --- signatures ---------------------------------------------------------------------------------------------------
def verifies(spki, data, sig):
    key = serialization.load_der_public_key(base64.b64decode(spki))
    try: key.verify(sig, data) if isinstance(key, ed25519.Ed25519PublicKey) else key.verify(sig, data, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError): return False
    return True
key_id = lambda spki: hashlib.sha256(base64.b64decode(spki)).hexdigest()
def envelope(data):
    e = strict_json(data, 160 * 1024, 4)
    need(isinstance(e, dict) and set(e) == {'payloadType', 'payload', 'signatures'} and isinstance(e['signatures'], list), 'envelope')
    need(len(e['signatures']) <= 16 and e['payloadType'] == 'application/vnd.in-toto+json', 'envelope')
    for s in e['signatures']: need(isinstance(s, dict) and {'sig'} <= set(s) <= {'sig', 'keyid'} and isinstance(s.get('keyid', ''), str), 'signature')
    return strict_base64(e['payload']), [(s.get('keyid'), strict_base64(s['sig'])) for s in e['signatures']]
def opened(t, now):
    return (t['notBefore'] == 'any' or now >= t['notBefore']) and (t['notAfter'] == 'any' or now < t['notAfter'])
def signers_missing(rule, by, now, gone=()):
    good = [k for k in by if opened(k, now) and key_id(k['key']) not in gone]
    holders = lambda role: list(dict.fromkeys(k['holder'] for k in good if k['role'] == role))
    approve, ask = holders('approver'), holders('requester') if rule['requester'] == 'required' else []
    who = next((h for h in ask if h not in approve), ask[0] if ask else None)
    out = ['THRESHOLD_NOT_MET'] * ((rule['requester'] == 'required' and who is None) + (len([h for h in approve if h != who]) < rule['threshold']))
    closed = ['SIGNER_UNTRUSTED'] * sum(not opened(k, now) for k in by)
    return [] if not out else closed if not good and closed else closed + out

# --- the stages ---------------------------------------------------------------------------------------------------
def artifact_stage(g, x):
    now, host, caller, out = g['clock']['now'], g['host']['id'], g['caller'], []
    if g['fault']: out.append(g['fault']['code'])
    if caller is None: out.append('CALLER_UNKNOWN')
    mint = g['artifact'] is None and g['request']['operation'] == 'authorize' and g['minting']['enabled']
    x.update(s=None, by=[], rule=None)
    if not mint: out += opening(g, x, now, host)
    if g['trustRoots'] and g['trustRoots']['notAfter'] != 'any' and now >= g['trustRoots']['notAfter']: out.append('SIGNER_UNTRUSTED')
    if not g['clock']['trusted']: out.append('CLOCK_UNTRUSTED')
    if x['s']:
        p = x['s']['predicate']; v, a, w = p['validity'], p['audience'], p['initiator']
        if now < v['notBefore']: out.append('ARTIFACT_NOT_YET_VALID')
        elif now >= v['notAfter']: out.append('ARTIFACT_EXPIRED')
        if p['issuer'].startswith('host:'):
            if v['maxUses'] != 1: out.append('ARTIFACT_MALFORMED')
            if a['hosts'] == 'any' or set(a['hosts']) != {host}: out.append('AUDIENCE_MISMATCH')
            left = g['gate']['deadlineInMs']
            if left is not None and ms(v['notAfter']) > ms(now) + left: out.append('ATTESTATION_STALE')
        if not fits(a['hosts'], host): out.append('AUDIENCE_MISMATCH')
        labels = g['hostLabels']['labels'] if g['hostLabels'] and (g['hostLabels']['notAfter'] == 'any' or now < g['hostLabels']['notAfter']) else []
        if a['labels'] != 'any' and not set(a['labels']) & set(labels): out.append('AUDIENCE_MISMATCH')
        if caller:
            wrong = [not fits(w['uids'], caller['uid']), not fits(w['gids'], caller['gid']), not fits(w['units'], caller['unit']),
                     w['cgroups'] != 'any' and not any(below(caller['cgroup'], top) for top in w['cgroups']), not fits(w['programs'], caller['program']),
                     p['parent']['execution'] not in ('any', caller['parentExecution'] or 'none')]
            out += ['INITIATOR_MISMATCH'] * sum(wrong)
    if caller and caller['parentExecution']:
        q = g['parent']
        if not (q and q['executionId'] == caller['parentExecution'] and q['live']): out.append('PARENT_ENDED')
    return out
def opening(g, x, now, host):
    if g['artifact'] is None: return ['ARTIFACT_MISSING']
    try: payload, signatures = envelope(octets(g['artifact']))
    except Refused: return ['ARTIFACT_MALFORMED']
    authorities = {a['name']: a for a in (g['trustRoots'] or {'authorities': []})['authorities']}
    if g['minting']['enabled']:
        key = {'key': g['minting']['sessionKeySpki'], 'holder': 'host', 'role': 'approver', 'notBefore': 'any', 'notAfter': 'any'}
        authorities['host:' + host] = {'threshold': 1, 'requester': 'none', 'keys': [key]}
    kind = b'application/vnd.in-toto+json'
    signed = b'DSSEv1 %d %s %d %s' % (len(kind), kind, len(payload), payload)
    trusted = {k['key'] for a in authorities.values() for k in a['keys']}
    good = {k for k in trusted if any(verifies(k, signed, sig) for _, sig in signatures)}
    named = {key_id(k) for k in trusted} & {hint for hint, _ in signatures}
    out = [] if good else ['SIGNATURE_INVALID' if named or not signatures else 'SIGNER_UNTRUSTED']
    try: x['s'] = statement(payload)
    except Refused: return out + ['ARTIFACT_MALFORMED']
    x['digest'], x['rule'] = hashlib.sha256(payload).hexdigest(), authorities.get(x['s']['predicate']['issuer'])
    x['by'] = [k for k in x['rule']['keys'] if k['key'] in good] if x['rule'] else []
    if out: return out
    return signers_missing(x['rule'], x['by'], now) if x['by'] else ['SIGNER_UNTRUSTED']

def subjects_stage(g, x):
    if not x['s']: return []
    p, r, seen = x['s']['predicate'], g['request'], {o['path']: o.get('sha256') for o in g['observed']}
    digests = {i['name']: next(iter(i['digest'].values())) for i in x['s']['subject']}
    program, age = p['scope']['program'], p['environment']['maxEvidenceAge']
    x['opened'] = [(r['program'] if program['path'] == 'any' else program['path'], digests[program['subject']])] + [(f['path'], digests[f['subject']]) for f in p['scope']['files']]
    out = ['SUBJECT_MISMATCH'] * sum(seen.get(path) != digest for path, digest in x['opened'])
    t = x['t'] = {'program': digests[program['subject']], 'onLapse': p['onLapse'], 'notAfter': p['validity']['notAfter'], 'age': None if age == 'any' else age * 1000}
    wrong = scope_wrong(p['scope'], r, t)
    return out + ['SCOPE_EXCEEDED'] * (wrong or (wider(t, g['parent']) if g['caller']['parentExecution'] else 0))
def integrity_stage(g, x):
    gate, out = g['gate'], {'ok': [], 'broken': ['LINEAGE_BROKEN'], 'unavailable': ['LINEAGE_UNAVAILABLE']}[g['lineage']]
    shut = 'ATTESTATION_FAILED' if gate['state'] == 'FAILED' else 'ATTESTATION_STALE' if gate['state'] != 'ATTESTED' or not gate['deadlineInMs'] else None
    out = out + [shut] * bool(shut)
    if x['s'] and not (shut and gate['evidenceAgeMs'] is None):
        e = x['s']['predicate']['environment']
        if e['maxEvidenceAge'] != 'any' and (gate['evidenceAgeMs'] or 0) > e['maxEvidenceAge'] * 1000: out.append('ATTESTATION_STALE')
        out += ['ENVIRONMENT_MISMATCH'] * sum([e['referenceValues'] not in ('any', gate['referenceValuesDigest']),
            e['simulated'] == 'deny' and gate['tier'] != 'hardware', e['resetCount'] not in ('any', gate['resetCount'])])
    if not x['s']: return out
    t, has = x['t'], g['host']['enforces']
    return out + ['ENVIRONMENT_MISMATCH'] * (len(set(t['devices']) - set(has['devices'])) + sum(t['limits'][k] is not None and c not in has['controllers'] and (
        k != 'pids' or t['user'] != 'own') for k, c in (('memoryBytes', 'memory'), ('cpuPercent', 'cpu'), ('pids', 'pids'))))
def policy_stage(g, x):
    p, wanted = g['policy'], x['s']['predicate']['policy']['digest'] if x['s'] else 'any'
    if p is None: return ['POLICY_ERROR']
    valid_now = opened(p, g['clock']['now'])
    out = ['POLICY_ERROR'] * (not valid_now) + ['POLICY_MISMATCH'] * (wanted not in ('any', p['digest']))
    return out + {'allow': [], 'deny': ['POLICY_DENIED'], 'failed': ['POLICY_ERROR']}[p['answer']['outcome'] if valid_now else 'allow']
def use_stage(g, x):
    if not x['s']: return []
    v, u, gone, q = x['s']['predicate']['validity'], g['uses'], g['revoked'], g['parent']
    ids = [g['request']['executionId']] + ([g['caller']['parentExecution']] if g['caller']['parentExecution'] else []) + (q['ancestors'] if q else [])
    named = {'artifact': [x['digest']], 'program': [d for _, d in x['opened']], 'execution': ids, 'host': [g['host']['id']], 'policy': [g['policy']['digest']]}
    out = ['REVOKED'] * (sum(i in gone.get(kind, []) for kind, items in named.items() for i in items)
        + len([r for r in signers_missing(x['rule'], x['by'], g['clock']['now'], gone.get('key', [])) or []][:1]))
    used, limited = max(0, u['used'] - (g['request']['operation'] == 'continue')), v['maxUses'] != 'any'
    return out + ['REPLAYED'] * sum([u['otherPayload'] is not None, limited and used >= v['maxUses'], limited and u['uncleanSince'] is not None and v['notBefore'] < u['uncleanSince']])
STAGES = {'artifact': artifact_stage, 'subjects': subjects_stage, 'integrity': integrity_stage, 'policy': policy_stage, 'use': use_stage}
def decide(g):
    x, r = {}, g['request']
    if set(r) != set(defaults['request']) or not re.fullmatch('[0-9a-f]{32}', r['executionId']): return ['deny', 'artifact', ['INTERNAL']]  # no request
    for name, stage in STAGES.items():
        reasons = stage(g, x)
        if reasons: return ['deny', name, reasons]
    return ['permit', None, []]
def accepts(payload):
    try: return bool(statement(payload))
    except Refused: return False

defaults, count, wrong = load(ROOT / 'artifact/defaults.json'), 0, 0
for path in sorted([*ROOT.glob('artifact/*.json'), *ROOT.glob('statement/*.json'), *ROOT.glob('negative/decisions.json')]):
    for it in load(path).get('vectors', []):
        if path.parent.name == 'statement': got, want = 'accepted' if accepts(octets(it['payload'])) else 'refused', it['expect']
        else: got, want = decide({**defaults, **it['given']}), [it['expect']['outcome'], it['expect']['stage'], [r['code'] for r in it['expect']['reasons']]]
        count += 1
        if got != want: wrong += 1; print(f"{path.name}: {it['name']}: {got}, not {want}")
print(f'{count} vectors, {wrong} differ')
sys.exit(wrong > 0 or count == 0)
