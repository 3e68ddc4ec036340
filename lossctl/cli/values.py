"""How the words of a command line become typed values.

Typer builds a pydantic adapter for every parameter, which takes a third of the start-up time of
a small run. The flags of lossctl are words, numbers and switches: they are converted here, with
messages that name the flag, the value and what was expected.
"""

from __future__ import annotations

from typing import Any, get_args

from lossctl.errors import UsageError

TRUE, FALSE = {"1", "true", "yes", "on", "t", "y"}, {"0", "false", "no", "off", "f", "n"}
MARK = "\0"
"""Put before a word that begins with a dash and is not a flag; no word of a shell has it."""

WORDS = {int: "an integer", float: "a number", bool: "true or false"}
METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


def take_plain_values(command: Any) -> Any:
    """Let a command's parameters be converted by :class:`PlainValue` or :class:`PlainList`."""
    for parameter in command.params:
        _take_plain_value(parameter)
    find_help = command.get_help_option
    command.get_help_option = lambda context: _take_plain_value(find_help(context))
    return command


def _take_plain_value(parameter: Any) -> Any:
    annotation = parameter.type_descriptor.annotation
    kind = _kind(annotation)
    _show_plainly(parameter, kind)
    plain: PlainValue | PlainList | None = None
    if parameter.nargs == -1 or parameter.multiple:
        plain = PlainList() if annotation == list[str] else None
    elif kind is not None and parameter.nargs == 1:
        plain = PlainValue(kind, parameter.type_descriptor.parameter_info)
    if plain is not None:
        parameter.get_runtime_param = lambda: plain
    parameter.split_envvar_value = lambda value: [value]  # a name or condition may have blanks
    if parameter.param_type_name == "option" and not parameter.multiple:
        reject_repetition(parameter)
    return parameter


def reject_repetition(option: Any) -> None:
    """Let an option with a single value be an error where it is given twice, not the last value."""
    if hasattr(option, "repetition_rejected"):
        return
    option.repetition_rejected = True
    register, consume = option.add_to_parser, option.consume_value

    def consume_value(context: Any, values: Any) -> Any:
        if option.name in values:
            values = {**values, option.name: take_single(option, values[option.name])}
        return consume(context, values)

    option.add_to_parser = lambda parser, context: register(Collector(parser), context)
    option.consume_value = consume_value


def take_single(option: Any, given: list[Any]) -> Any:
    """Return the only value that was given; raises UsageError where there are several."""
    if option.is_flag:
        if len(set(given)) > 1:
            flags = [max(named, key=len) for named in (option.opts, option.secondary_opts)]
            raise UsageError(f"{' and '.join(flags)} were both given", "Choose one.")
    elif len(given) > 1:
        shown = " and ".join(repr(str(one).removeprefix(MARK)) for one in given)
        count = "twice" if len(given) == 2 else f"{len(given)} times"
        raise UsageError(f"{_label(option)} was given {count}: {shown}", "Give it once.")
    return given[-1]


class Collector:
    """Registers options with a parser such that all their values are collected."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def add_option(self, *, dest: str, action: str, **more: Any) -> None:
        """Register an option."""
        action = action.replace("store", "append")
        self._parser.add_option(dest=dest, action=action, **more)


def _show_plainly(parameter: Any, kind: type | None) -> None:
    """Show names in the help where typer shows types, ranges and further brackets."""
    parameter.min = parameter.max = None  # the bounds that PlainValue checks are in the help text
    name = parameter.metavar
    if parameter.param_type_name == "argument":
        shown = name or parameter.name.upper()
        usage = shown if parameter.required or "[" in shown else f"[{shown}]"
        parameter.display_type_rich = lambda **_: None
        parameter.get_usage_pieces = lambda *_: [usage]
    else:
        named = None if parameter.is_flag else name or METAVARS.get(kind or str, "TEXT")
        parameter.display_type_rich = lambda **_: named


def _kind(annotation: Any) -> type | None:
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 and kinds[0] in (str, int, float, bool) else None


class PlainValue:
    """The conversion of one parameter's word."""

    def __init__(self, kind: type, info: Any) -> None:
        self.kind = kind
        self.least = getattr(info, "min", None)
        self.most = getattr(info, "max", None)

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value of a word; raises UsageError."""
        if value is None:
            return None
        if self.kind is str:
            return value.removeprefix(MARK)
        converted = self._convert(value)
        if converted is None:
            raise UsageError(f"{_label(param)} must be {WORDS[self.kind]}, but is {value!r}")
        for bound, word, broken in (
            (self.least, "at least", self.least is not None and converted < self.least),
            (self.most, "at most", self.most is not None and converted > self.most),
        ):
            if broken:
                raise UsageError(f"{_label(param)} must be {word} {bound}, but is {value}")
        return converted

    def _convert(self, value: Any) -> Any:
        if self.kind is bool:
            word = str(value).casefold()
            return True if word in TRUE else False if word in FALSE else None
        try:
            return self.kind(value)
        except ValueError:
            return None


class PlainList:
    """The words of a parameter that may be repeated."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> list[str]:
        """Return the words."""
        return [word.removeprefix(MARK) for word in value or ()]


def _label(param: Any) -> str:
    return str(max(param.opts, key=len))
