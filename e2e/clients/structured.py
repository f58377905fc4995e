"""Asks for an answer in the format of a Pydantic model with one version of subconscious-sdk, and prints it as JSON.

Arguments: base URL, API key. Standard input: {"instructions"}.
"""

import json
import sys
from enum import Enum
from typing import Optional, Union

from pydantic import BaseModel, Field
from subconscious import Subconscious


class Sky(str, Enum):
    grey = 'grey'
    blue = 'blue'


class Day(BaseModel):
    sky: Sky
    celsius: int = Field(ge=-90, le=60)


class Weather(BaseModel):
    city: str
    days: list[Day]
    wind: Union[int, str]
    note: Optional[str] = None


def main():
    base_url, api_key = sys.argv[1:3]
    client = Subconscious(api_key=api_key, base_url=base_url)
    task = {'instructions': json.load(sys.stdin)['instructions'], 'tools': [], 'answerFormat': Weather}
    run = client.run(engine='tim-gpt', input=task, options={'await_completion': True})
    answer = run.result.answer
    parsed = Weather.model_validate_json(answer) if isinstance(answer, str) else Weather.model_validate(answer)
    print(json.dumps({'status': run.status, 'answer': answer, 'parsed': parsed.model_dump(mode='json')}))


main()
