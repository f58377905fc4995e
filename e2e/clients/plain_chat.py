"""Calls a model plainly with the PyPI package openai, in all the ways it has, and prints what came back as JSON.

Arguments: base URL, API key. Standard input: {"model", "scripts": {name: text}}.
"""

import asyncio
import json
import sys

import openai
from pydantic import BaseModel


class Day(BaseModel):
    sky: str
    celsius: int


class Weather(BaseModel):
    city: str
    days: list[Day]


TOOLS = [{'type': 'function', 'function': {'name': 'weather', 'parameters': {'type': 'object', 'properties': {'city': {'type': 'string'}}, 'required': ['city']}}}]


def say(text):
    return [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': [{'type': 'text', 'text': text}]}]


def stream_of(client, model, text):
    words, usage = '', 0
    for chunk in client.chat.completions.create(model=model, messages=say(text), stream=True, stream_options={'include_usage': True}):
        for choice in chunk.choices:
            words += choice.delta.content or ''
        usage = chunk.usage.completion_tokens if chunk.usage else usage
    return words, usage


def tools_loop(client, model, text):
    messages = say(text)
    for _ in range(5):
        message = client.chat.completions.create(model=model, messages=messages, tools=TOOLS, tool_choice='auto').choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            assert call.function.name == 'weather' and 'city' in json.loads(call.function.arguments)
            messages.append({'role': 'tool', 'tool_call_id': call.id, 'content': 'grey'})
    return None


def helper_of(client, model, text):
    with client.chat.completions.stream(model=model, messages=say(text)) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
        assert message.role == 'assistant', message.role
        return message.content


async def side_by_side(base_url, api_key, model, texts):
    async with openai.AsyncOpenAI(base_url=base_url, api_key=api_key) as client:
        async def one(text):
            words = ''
            async for chunk in await client.chat.completions.create(model=model, messages=say(text), stream=True):
                words += (chunk.choices[0].delta.content or '') if chunk.choices else ''
            return words

        return await asyncio.gather(*(one(text) for text in texts))


def error_of(call):
    try:
        call()
    except openai.APIStatusError as err:
        return f'{type(err).__name__} {err.status_code} {err.code}'
    return None


def main():
    base_url, api_key = sys.argv[1:3]
    given = json.load(sys.stdin)
    model, scripts = given['model'], given['scripts']
    client = openai.OpenAI(base_url=base_url, api_key=api_key)
    once = client.with_options(max_retries=0)
    stranger = openai.OpenAI(base_url=base_url, api_key='not-a-key', max_retries=0)
    streamed, usage = stream_of(client, model, scripts['text'])

    def ask(with_client, text, **more):
        return with_client.chat.completions.create(**{'model': model, 'messages': say(text), **more})

    print(json.dumps({
        'text': ask(client, scripts['text'], seed=1, temperature=0.5, extra_body={'unheard_of': True}).choices[0].message.content,
        'streamed': streamed,
        'usage': usage,
        'loop': tools_loop(client, model, scripts['loop']),
        'parsed': client.chat.completions.parse(model=model, messages=say(scripts['parsed']), response_format=Weather).choices[0].message.parsed.model_dump(),
        'helper': helper_of(client, model, scripts['text']),
        'async': asyncio.run(side_by_side(base_url, api_key, model, [scripts['text'], scripts['other']])),
        'retried': ask(client, scripts['retried']).choices[0].message.content,
        'errors': {
            'unknownModel': error_of(lambda: ask(once, 'hi', model='acme/no-such-model')),
            'badRequest': error_of(lambda: ask(once, 'hi', temperature=7)),
            'badKey': error_of(lambda: ask(stranger, 'hi')),
            'limited': error_of(lambda: ask(once, scripts['limited'])),
            'down': error_of(lambda: ask(once, scripts['down'])),
        },
        'models': [client.models.retrieve(model).id, *[one.id for one in client.models.list() if one.id == model]],
        'legacy': client.completions.create(model=model, prompt=scripts['text']).choices[0].text,
    }))


main()
