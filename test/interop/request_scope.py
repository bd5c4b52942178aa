"""What a request may ask for under a signed scope, and a child under its parent: how many places do not fit."""
import re

fits = lambda limit, it: limit == 'any' or it in limit
below = lambda path, top: path == top or path.startswith(top.rstrip('/') + '/')
LOADER = re.compile(r'(?:LD_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|MALLOC_.*|PYTHON.*|NODE_.*|PERL5.*|PERLLIB|RUBY.*|JAVA_TOOL_OPTIONS'
    r'|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|BASH_ENV|BASH_FUNC_.*|ENV|SHELLOPTS|IFS|CUDA_INJECTION.*|OCL_ICD_.*|VK_.*|OPENSSL_CONF|OPENSSL_ENGINES)\Z')
NETWORKS, SECCOMP, STREAMS = ['none', 'loopback', 'host'], ['strict', 'default'], ['null', 'pipe', 'terminal']
PIPES = dict.fromkeys(('stdin', 'stdout', 'stderr'), 'pipe')
LIMITS = 'runTimeMs memoryBytes pids cpuSeconds openFiles outputBytes cpuPercent fileBytes'.split()
def fewer(user, most): return user != 'own' and most != 'own' and (user['uid'], user['gid']) == (most['uid'], most['gid']) and set(user['groups']) <= set(most['groups'])
def scope_wrong(scope, r, t):
    """How many places of a request do not fit; the terms that it comes to are put into `t`."""
    n, is_open = 0, lambda it: not isinstance(it, str)
    n += scope['program']['path'] not in ('any', r['program'])
    if scope['argv'] != 'any':
        n += any(map(is_open, scope['argv'])) if r['argv'] is None else len(r['argv']) != len(scope['argv']) or any(
            not is_open(w) and w != a for w, a in zip(scope['argv'], r['argv']))
    asked = {e['name']: e['value'] for e in r['env'] or []}
    if scope['env'] == 'any': n += sum(bool(LOADER.match(k)) for k in asked)
    else:
        signed = {e['name']: e['value'] for e in scope['env']}
        if r['env'] is None: n += any(map(is_open, signed.values()))
        else: n += sum(k not in signed or not is_open(signed[k]) and signed[k] != v for k, v in asked.items()) + len(set(signed) - set(asked))
    n += r['cwd'] is not None and scope['cwd'] not in ('any', r['cwd'])
    user = t['user'] = r['user'] or ('own' if scope['user'] == 'any' else scope['user'])
    n += user != 'own' and 0 in (user['uid'], user['gid'], *user['groups']) or not (scope['user'] in ('any', user) or fewer(user, scope['user']))
    most = PIPES if scope['stdio'] == 'any' else scope['stdio']
    n += sum(STREAMS.index((r['stdio'] or most)[k]) > STREAMS.index(most[k]) for k in PIPES)
    n += r['detach'] and not scope.get('detach', False)
    box = t['sandbox'] = {k: scope['sandbox'][k] if v is None else v for k, v in r['sandbox'].items()}
    n += NETWORKS.index(box['network']) > NETWORKS.index(scope['sandbox']['network'])
    n += SECCOMP.index(box['seccomp']) > SECCOMP.index(scope['sandbox']['seccomp'])
    n += sum(not any(below(path, top) for top in scope['sandbox']['writable']) for path in box['writable'])
    signed = {**scope['limits'], 'runTimeMs': scope['limits']['runTime'] if scope['limits']['runTime'] == 'any' else scope['limits']['runTime'] * 1000}
    n += sum(r['limits'][k] is not None and signed[k] != 'any' and r['limits'][k] > signed[k] for k in LIMITS)
    t['limits'] = {k: r['limits'][k] if r['limits'][k] is not None else None if signed[k] == 'any' else signed[k] for k in LIMITS}
    t['devices'] = scope['devices'] if r['devices'] is None else r['devices']
    n += len(set(t['devices']) - set(scope['devices'])) + (r['children'] and scope['children'] == 'none')
    t['detach'], t['children'] = r['detach'], scope['children'] if r['children'] else 'none'
    return n + len(set(r['files']) - {r['program'] if scope['program']['path'] == 'any' else scope['program']['path'], *(f['path'] for f in scope['files'])})
def at_most(a, b): return b in (None, 'any') or (a not in (None, 'any') and a <= b)
def wider(t, q):
    p, c, n = q['terms'], q['terms']['children'], 0
    if c == 'none': n += 1
    else:
        n += sum(c[k] != 'any' and q[have] >= c[k] for k, have in (('max', 'childrenStarted'), ('atOnce', 'childrenRunning'), ('perMinute', 'childrenLastMinute')))
        n += not fits(c['programs'], t['program'])
    d, lapse, most = t['children'], t['onLapse'], p['onLapse']
    deeper = d != 'none' and (c == 'none' or d['depth'] >= c['depth'] or not all(at_most(d[k], c[k]) for k in ('max', 'atOnce', 'perMinute'))
        or c['programs'] != 'any' and (d['programs'] == 'any' or not set(d['programs']) <= set(c['programs'])))
    return n + sum([not (t['user'] == 'own' or fewer(t['user'], p['user'])), NETWORKS.index(t['sandbox']['network']) > NETWORKS.index(p['sandbox']['network']),
        SECCOMP.index(t['sandbox']['seccomp']) > SECCOMP.index(p['sandbox']['seccomp']),
        not all(any(below(x, top) for top in p['sandbox']['writable']) for x in t['sandbox']['writable']), *(not at_most(t['limits'][k], p['limits'][k]) for k in LIMITS),
        not set(t['devices']) <= set(p['devices']), t['detach'] and not p['detach'], deeper,
        lapse != 'kill' and (most == 'kill' or lapse['freeze']['grace'] * 1000 > most['freeze']['graceMs']),
        not at_most(t['age'], p['maxEvidenceAgeMs']), t['notAfter'] > p['notAfter']])
