"""Has an engine work through the chat API with the PyPI package openai, and prints what came back as JSON.

Arguments: base URL, API key. Standard input: {"instructions", "failing", "tools"}.
"""

import asyncio
import json
import sys

import openai


def say(text):
    return [{'role': 'user', 'content': text}]


def stream_of(client, text, tools):
    content = ''
    for chunk in client.chat.completions.create(model='tim-large', messages=say(text), tools=tools, stream=True):
        content += chunk.choices[0].delta.content or ''
    return json.loads(content)


async def async_stream_of(client, text, tools):
    content = ''
    async for chunk in await client.chat.completions.create(model='tim-large', messages=say(text), tools=tools, stream=True):
        content += chunk.choices[0].delta.content or ''
    return json.loads(content)


def raised(call):
    try:
        call()
    except openai.APIError as err:
        return {'name': type(err).__name__, 'status': getattr(err, 'status_code', None), 'code': err.code}
    return None


def main():
    base_url, api_key = sys.argv[1:3]
    given = json.load(sys.stdin)
    client = openai.OpenAI(base_url=base_url, api_key=api_key)
    instructions, failing, tools = given['instructions'], given['failing'], given['tools']
    whole = client.chat.completions.create(model='tim-large', messages=say(instructions), tools=tools)
    submitted = client.chat.completions.create(model='tim-large', messages=say(instructions), extra_body={'async': True})
    report = {
        'whole': json.loads(whole.choices[0].message.content),
        'totalTokens': whole.usage.total_tokens,
        'streamed': stream_of(client, instructions, tools),
        'async': asyncio.run(async_stream_of(openai.AsyncOpenAI(base_url=base_url, api_key=api_key), instructions, tools)),
        'submitted': submitted.request_id,
        'failed': raised(lambda: client.chat.completions.create(model='tim-large', messages=say(failing))),
        'failedStream': raised(lambda: stream_of(client, failing, [])),
    }
    print(json.dumps(report))


main()
