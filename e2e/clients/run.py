"""Drives one released version of the PyPI package subconscious-sdk and prints what it saw as JSON.

Arguments: base URL, API key. Standard input: {"instructions", "slowInstructions", "tools", "answerFormat"?}.
"""

import json
import sys

from subconscious import Subconscious


def seen(run):
    """The parts of a run that every version of the package knows."""
    result = getattr(run, 'result', None)
    return {
        'runId': run.run_id,
        'status': run.status,
        'answer': result.answer if result else None,
        'hasReasoning': bool(result and result.reasoning),
        'hasUsage': run.usage is not None,
    }


def raised(call):
    """Name and fields of the error that a call raises."""
    try:
        call()
    except Exception as err:
        return {
            'name': type(err).__name__,
            'code': getattr(err, 'code', None),
            'status': getattr(err, 'status', None),
            'details': getattr(err, 'details', None),
            'message': str(err),
        }
    return None


def main():
    base_url, api_key = sys.argv[1:3]
    given = json.load(sys.stdin)
    client = Subconscious(api_key=api_key, base_url=base_url)
    stranger = Subconscious(api_key='not-a-key', base_url=base_url)
    task = {'instructions': given['instructions'], 'tools': given['tools']}
    if 'answerFormat' in given:
        task['answerFormat'] = given['answerFormat']

    run = client.run(engine='tim-gpt', input=task)
    first_look = client.get(run.run_id)
    waited = client.wait(run.run_id, options={'interval_ms': 50, 'max_attempts': 600})
    awaited = client.run(engine='tim-gpt', input=task, options={'await_completion': True})

    slow = client.run(engine='tim-gpt', input={'instructions': given['slowInstructions'], 'tools': []})
    canceled = client.cancel(slow.run_id)
    again = client.cancel(slow.run_id)

    print(json.dumps({
        'runId': run.run_id,
        'firstLook': seen(first_look),
        'waited': seen(waited),
        'awaited': seen(awaited),
        'canceled': seen(canceled),
        'canceledAgain': seen(again),
        'errors': {
            'badKey': raised(lambda: stranger.get(run.run_id)),
            'unknownRun': raised(lambda: client.get('run_does_not_exist')),
            'unknownCancel': raised(lambda: client.cancel('run_does_not_exist')),
            'badRequest': raised(lambda: client.run(engine='tim-gpt', input={'instructions': '', 'tools': []})),
            'unknownEngine': raised(lambda: client.run(engine='no-such-engine', input=task)),
        },
    }))


main()
