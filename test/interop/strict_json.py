"""JSON that two readers cannot understand differently, canonical base64, and the part of JSON Schema that docs/schema uses."""
import base64, json, re

class Refused(Exception): pass
def need(holds, why):
    if not holds: raise Refused(why)

# --- bytes and JSON ---------------------------------------------------------------------------------------------
def octets(it):
    if isinstance(it, str): return it.encode()
    return base64.b64decode(it['base64']) if 'base64' in it else it['text'].encode().ljust(it['paddedTo'])
def unique(pairs):
    need(len({k for k, _ in pairs}) == len(pairs), 'a key twice')
    return dict(pairs)
def number(text):
    value = float(text)
    need(abs(value) != float('inf') and not (value == 0 and re.match(r'[^eE]*[1-9]', text)), 'out of range')
    value = int(value) if value.is_integer() else value
    need(not isinstance(value, int) or abs(value) < 2**53, 'beyond 2^53')
    return value
def no_constant(text): raise Refused(text)
def strict_json(data, most, depth):
    need(len(data) <= most, 'too long')
    try:
        text = data.decode('utf-8')
        level = deepest = 0
        for token in re.findall(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', text):
            level += (token in '[{') - (token in ']}'); deepest = max(deepest, level)
        need(deepest <= depth and not text.startswith('\ufeff'), 'too deep')
        value = json.loads(text, object_pairs_hook=unique, parse_int=number, parse_float=number, parse_constant=no_constant)
        json.dumps(value, ensure_ascii=False).encode('utf-8')  # no lone surrogates
        return value
    except (ValueError, RecursionError) as error: raise Refused(str(error))
def strict_base64(text):
    try: data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError): raise Refused('base64')
    need(base64.b64encode(data).decode() == text, 'not canonical base64')
    return data

# --- the published JSON Schema ------------------------------------------------------------------------------------
KIND = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'null': type(None)}
def is_kind(kind, it):
    if kind in ('integer', 'number'): return isinstance(it, int if kind == 'integer' else (int, float)) and not isinstance(it, bool)
    return isinstance(it, KIND[kind])
same = lambda a, b: json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
def valid(s, it):
    rules = {
        'type': lambda x: is_kind(x, it), 'const': lambda x: same(x, it), 'enum': lambda x: any(same(y, it) for y in x),
        'anyOf': lambda x: any(valid(y, it) for y in x)}
    if isinstance(it, str): rules.update(
        pattern=lambda x: re.search(x.replace('$', r'\Z'), it, re.ASCII), minLength=lambda x: len(it) >= x, maxLength=lambda x: len(it) <= x)
    if is_kind('number', it): rules.update(minimum=lambda x: it >= x, maximum=lambda x: it <= x)
    if isinstance(it, list): rules.update(
        items=lambda x: all(valid(x, y) for y in it), minItems=lambda x: len(it) >= x, maxItems=lambda x: len(it) <= x,
        uniqueItems=lambda _: len({json.dumps(y, sort_keys=True) for y in it}) == len(it))
    if isinstance(it, dict): rules.update(
        required=lambda x: all(k in it for k in x), properties=lambda x: all(valid(x[k], it[k]) for k in it if k in x),
        additionalProperties=lambda x: all(k in s['properties'] for k in it) if x is False else all(valid(x, v) for v in it.values()))
    return all(rules[k](v) for k, v in s.items() if k in rules)
