"""An application on a served adapter, over HTTP: it asks as training showed, runs the tools, and answers.

    pip install callproof 'fastapi>=0.115' uvicorn
    CONFIG=datasets/hotel/config.yaml ENDPOINT=http://127.0.0.1:8000 uvicorn app:app --port 8080
    curl -s localhost:8080/chat -H 'Content-Type: application/json' \
      -d '{"messages": [{"role": "user", "content": "A room in Bern, two nights?"}]}'

The whole conversation comes with each request and goes back with the answer, so the application keeps no state.
"""

import json
import os
from datetime import datetime
from typing import Any

from fastapi import FastAPI, HTTPException
from openai import AsyncOpenAI
from pydantic import BaseModel

from callproof.config import load
from callproof.errors import UserError
from callproof.prompt import request

MAX_STEPS = 5
"""Requests to the model for one message of the user."""

config = load(os.environ["CONFIG"])
client = AsyncOpenAI(base_url=f"{os.environ['ENDPOINT']}/v1", api_key=os.environ.get("VLLM_API_KEY") or "none")
app = FastAPI()


class Talk(BaseModel):
    """A conversation in OpenAI's form; `begun` is when it began, and stays the same through it."""

    messages: list[dict[str, Any]]
    begun: datetime | None = None


@app.post("/chat")
async def chat(talk: Talk) -> Talk:
    """The conversation with the answer, and with the calls and results that led to it."""
    begun = talk.begun or datetime.now().astimezone()
    messages = list(talk.messages)
    for _ in range(MAX_STEPS):
        try:
            body = request(config, messages, at=begun)
        except UserError as error:
            raise HTTPException(422, str(error)) from None
        answer = (await client.chat.completions.create(**body)).choices[0].message
        messages.append(answer.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
        if not answer.tool_calls:
            return Talk(messages=messages, begun=begun)
        for call in answer.tool_calls:
            result = run_tool(call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
    raise HTTPException(502, f"the model still calls tools after {MAX_STEPS} answers")


def run_tool(name: str, arguments: str) -> Any:
    """The result of a call; yours goes here. A refusal is a result too: the model reads it, and corrects itself."""
    try:
        values = json.loads(arguments)
    except ValueError:
        return {"error": "the arguments are no JSON"}
    return {"error": f"no system is connected to {name}", "arguments": values}
