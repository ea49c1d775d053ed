"""Prompts: what analysts ask for again and again, said so that a model goes about it well."""

from __future__ import annotations

from typing import NamedTuple

import mcp_types as types
from mcp.shared.exceptions import MCPError

from chachaml.display.words import safe
from chachaml.surfaces.mcp.hosting import Context

__all__ = ["PROMPTS", "get_prompt", "list_prompts"]


class _Argument(NamedTuple):
    name: str
    about: str
    required: bool = True


class _Prompt(NamedTuple):
    title: str
    about: str
    arguments: tuple[_Argument, ...]
    text: str


_EXPERIMENT = _Argument("experiment", "The experiment.")
_METRIC = _Argument("metric", "The metric that counts. Default: the one that most runs have.", False)

PROMPTS: dict[str, _Prompt] = {
    "compare_runs": _Prompt(
        "Compare these runs",
        "Set runs side by side, and say which is better and why.",
        (_Argument("run_ids", "The runs' ids, between commas."),),
        "Compare the runs {run_ids}. Call compare_runs, and describe_series for the metrics that matter. "
        "Say in what they differ and which is better by how much; use explain_difference on the best and "
        "the worst for why. Draw the most telling metric with draw_series. Say what cannot be concluded.",
    ),
    "write_report": _Prompt(
        "Write the experiment report",
        "A report on an experiment: question, set-up, results, what follows.",
        (_EXPERIMENT, _METRIC),
        "Write a report in Markdown on the experiment {experiment}{metric}. Gather with list_runs, "
        "get_leaderboard, get_importance, describe_series on the best runs, and get_run on those that "
        "failed. Sections: what was asked, how it was set up (data, code, params that varied), results as a "
        "table with run ids, what mattered, failures, what remains open. State only what the tools gave; "
        "name the run behind every number. Offer to keep it as a note of the best run with set_note; ask "
        "before you do.",
    ),
    "find_divergence": _Prompt(
        "Find why it diverged",
        "Find where a run went wrong, and what sets it apart from runs that did not.",
        (_Argument("run_id", "The run."), _METRIC._replace(about="The metric. Default: its losses.")),
        "Find out why the run {run_id} diverged or failed{metric}. Call get_run, then describe_series for "
        "when it began, get_series around that step for other metrics such as gradient norms and learning "
        "rates, and get_console for what was printed. Find the nearest run of the experiment that went well "
        "with get_leaderboard and call explain_difference on the two. Give the likeliest cause, the evidence "
        "for and against it, and one experiment that would tell.",
    ),
    "suggest_next": _Prompt(
        "What to try next",
        "Propose the next runs of an experiment from what the earlier ones showed.",
        (_EXPERIMENT, _METRIC),
        "Propose what to try next in the experiment {experiment}{metric}. Call get_leaderboard and "
        "get_importance, and describe_series on the best runs: are they still improving, on a plateau, "
        "overfitting? Propose three to five runs, each with all of its params, the reason, and what result "
        "would change your mind. Prefer what tests a hypothesis over what only fills a grid; say where the "
        "runs that there are say too little.",
    ),
}


async def list_prompts(_: Context, __: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    """Return all prompts."""
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(
                name=name,
                title=one.title,
                description=one.about,
                arguments=[
                    types.PromptArgument(name=each.name, description=each.about, required=each.required)
                    for each in one.arguments
                ],
            )
            for name, one in PROMPTS.items()
        ]
    )


async def get_prompt(_: Context, asked: types.GetPromptRequestParams) -> types.GetPromptResult:
    """Return a prompt with its arguments put in.

    Raises:
        MCPError: There is none of that name, or an argument is missing.
    """
    prompt = PROMPTS.get(asked.name)
    if prompt is None:
        raise MCPError(types.INVALID_PARAMS, f"there is no prompt {safe(asked.name[:60])!r}")
    given = {key: safe(value.strip())[:500] for key, value in (asked.arguments or {}).items()}
    missing = [one.name for one in prompt.arguments if one.required and not given.get(one.name)]
    if missing:
        raise MCPError(types.INVALID_PARAMS, f"prompt {asked.name} needs {', '.join(missing)}")
    metric = f", by the metric {given['metric']}" if given.get("metric") else ""
    places = {one.name: given.get(one.name, "") for one in prompt.arguments} | {"metric": metric}
    text = prompt.text.format(**places)
    message = types.PromptMessage(role="user", content=types.TextContent(text=text))
    return types.GetPromptResult(description=prompt.about, messages=[message])
