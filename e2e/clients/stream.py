"""Streams runs with one released version of the PyPI package subconscious-sdk and prints what it saw as JSON.

Arguments: base URL, API key. Standard input: {"instructions": [...], "tools"}: one stream after the other; of the last one only the first text is read.
"""

import json
import sys

from subconscious import Subconscious


def seen(stream, at_most=None):
    """The type of each event, the text of all deltas, and what an error said."""
    types, text, error = [], '', None
    for event in stream:
        kind = event.type
        types.append(kind)
        if kind == 'delta':
            text += event.content
        if kind == 'error':
            error = {'message': event.message, 'code': getattr(event, 'code', None)}
        if at_most is not None and len(text) >= at_most:
            break
    return {'types': sorted(set(types)), 'last': types[-1] if types else None, 'text': text, 'error': error}


def main():
    base_url, api_key = sys.argv[1:3]
    given = json.load(sys.stdin)
    client = Subconscious(api_key=api_key, base_url=base_url)
    *whole, left = given['instructions']
    streams = [seen(client.stream(engine='tim-gpt', input={'instructions': one, 'tools': given['tools']})) for one in whole]
    streams.append(seen(client.stream(engine='tim-gpt', input={'instructions': left, 'tools': []}), at_most=1))
    print(json.dumps(streams))


main()
