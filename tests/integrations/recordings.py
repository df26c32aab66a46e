"""What programs said in `make test-integrations`, kept without what is theirs alone or of one machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recorded"

_KEPT_OF_INIT = ("type", "subtype", "session_id", "claude_code_version", "model")


def scrubbed(program: str, text: str) -> str:
    """Return a text without prompts, lists of tools, places and ports."""
    if program == "mini":
        text = json.dumps(_trajectory(json.loads(text)))
    if program == "claude":
        text = "".join(f"{json.dumps(_event(json.loads(line)), ensure_ascii=False)}\n" for line in text.splitlines())
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://gateway", text)
    return re.sub(r"(?:file://)?/(?:tmp|root|home|work|usr|var)/[^\s\"'):]*", "/place", text)


def _event(event: dict[str, Any]) -> dict[str, Any]:
    is_init = event.get("type") == "system" and event.get("subtype") == "init"
    return {name: event[name] for name in _KEPT_OF_INIT if name in event} if is_init else event


def _trajectory(told: dict[str, Any]) -> dict[str, Any]:
    info = told["info"]
    model = {"model_name": info["config"]["model"]["model_name"]}
    kept = {name: info[name] for name in ("model_stats", "mini_version", "exit_status") if name in info}
    messages = [{"role": one["role"], "extra": _extra(one.get("extra", {}))} for one in told["messages"]]
    return {"info": {**kept, "config": {"model": model}}, "messages": messages}


def _extra(extra: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {name: extra[name] for name in ("exit_status", "exception_str") if name in extra}
    usage = extra.get("response", {}).get("usage")
    return kept if usage is None else {**kept, "response": {"usage": usage}}
