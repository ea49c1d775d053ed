"""Questions about experiments in plain words, answered by a language model that looks things up, or by none.

ml.chat.ask("Which run in iris has the best accuracy?")
"""

from chachaml.chat.answers import (
    Answer,
    Asked,
    CallFinished,
    CallStarted,
    Done,
    Event,
    NeedsApproval,
    Text,
    Tokens,
    ToolCall,
    Turn,
)
from chachaml.chat.asking import ask

__all__ = [
    "Answer",
    "Asked",
    "CallFinished",
    "CallStarted",
    "Done",
    "Event",
    "NeedsApproval",
    "Text",
    "Tokens",
    "ToolCall",
    "Turn",
    "ask",
]
