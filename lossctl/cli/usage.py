"""Errors of the command-line parser in our own words."""

from __future__ import annotations

import sys
from typing import Any

from lossctl.errors import Exit, UsageError, did_you_mean


def explain_usage(error: Any, words: list[str]) -> UsageError:
    """Turn an error of the command-line parser into our own message, with similar names."""
    context = getattr(error, "ctx", None)
    plain = [word for word in words if not word.startswith("-") and word != "help"]
    named = plain[: 2 if plain[:1] in (["compute"], ["grad"], ["explain"]) else 1]
    path = context.command_path if context is not None else " ".join(["lossctl", *named])
    remedy = f"See '{path} --help'."
    unknown = getattr(error, "option_name", None)
    if unknown and context is not None:
        flags = [flag for parameter in context.command.params for flag in parameter.opts]
        flags += [flag for parameter in context.command.params for flag in parameter.secondary_opts]
        if unknown in flags:
            return UsageError(str(error.message), remedy)
        long = [flag for flag in flags if flag.startswith("--")]
        name = unknown.lstrip("-").removeprefix("no-").replace("-", "_")
        hint = _explain_replacement(name) or _tell_who_has(context.command.name, plain, name)
        hint = hint or did_you_mean(unknown, long)
        return UsageError(f"{path} has no option {unknown}", f"{hint} {remedy}")
    text = error.format_message().rstrip(".")
    parameters = context.command.params if context is not None else []
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    expected = " ".join(one.get_usage_pieces(context)[0] for one in arguments)
    example = getattr(getattr(context, "command", None), "epilog", None) or ""
    if text.startswith("Missing argument"):
        text = f"missing {error.param.get_usage_pieces(context)[0].rstrip('.')}"
        text += f"; expected {expected}" if len(arguments) > 1 else ""
        remedy = f"{example}\n{remedy}"
    if text.startswith("Got unexpected extra argument"):
        extra = text.partition("(s) ")[2].removeprefix("(").removesuffix(")")
        text = f"unexpected argument {extra}; expected {expected or 'no arguments'}"
    if text.startswith("No such command") and context is not None:
        name = text.partition("'")[2].partition("'")[0]
        known = context.command.list_commands(context)
        return UsageError(
            f"{path} has no command {name!r}", f"{did_you_mean(name, known)} {remedy}"
        )
    if not text:  # without any words, the help has been printed
        sys.exit(int(Exit.USAGE))
    return UsageError(text, remedy)


def _tell_who_has(command: str, words: list[str], option: str) -> str:
    """Say which losses of the same name in other libraries have an option."""
    from lossctl.losses.core.registry import built_in, tell_who_has

    loss = built_in().find(words[1] if command == "check" and words[1:] else command)
    return "" if loss is None else tell_who_has(loss, option)


def _explain_replacement(name: str) -> str:
    """Say which reduction replaces a deprecated option of torch; nothing for other options."""
    from lossctl.losses.core.deprecated import REPLACED

    words = [f"--reduction {new} for {old}" for old, new in REPLACED.get(name, {}).items()]
    return f"Say {' and '.join(words)}." if words else ""
