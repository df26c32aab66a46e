"""What aider writes with `--analytics-log FILE`, an event a line, and what it prints of its errors."""

from __future__ import annotations

import re
from datetime import datetime

from scidex.agent.endings import Ending, Word
from scidex.agent.meters import reading
from scidex.agent.meters.said import Said, Totals
from scidex.agent.provider_answers import of_answer

_METER = "aider"
_COUNTED = "unless it ran with --no-stream, its tokens are aider's own count"


def usage(text: str) -> Said:
    """
    Return what a run used, added up over its messages. Raises ValueError.

    Unless it runs with --no-stream aider counts the tokens itself, and the log does not say which; so they are
    estimates, as its costs are.
    """
    used, models = Totals(), []
    for event in reading.objects(text, marks=("message_send",)):
        told = event.get("properties")
        if event.get("event") == "message_send" and isinstance(told, dict) and "prompt_tokens" in told:
            given, answered = (reading.tokens(told.get(name), name) for name in ("prompt_tokens", "completion_tokens"))
            used = used.plus(Totals(given, 0, answered, reading.usd(told.get("cost"), "cost")))
            models.append(reading.text(told.get("main_model")))
    if not models:
        raise ValueError("holds no message_send")
    return Said(used.usage(_METER, _COUNTED, "estimated", models))


def word(text: str, errors: str, ended_at: datetime) -> Word:
    """Return what an error of the provider's means that aider printed: it ends with 0 whatever happens."""
    for line in reversed(text.split("\n")):
        if _ERROR.match(line.strip()):
            return Word(of_answer(None, line.strip(), ended_at) or Ending("agent_error", line.strip()))
        if _EDITED.match(line.strip()):
            return Word(Ending("done"))
    return Word()


_ERROR = re.compile(r"litellm\.\w+:|The API provider|Retrying in [\d.]+ seconds")
_EDITED = re.compile(r"Tokens: .* sent, .* received")
