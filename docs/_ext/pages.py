"""Pages that are written from the code at every build, so that they cannot fall behind it."""

import dataclasses
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import layers
import parts

HERE = Path(__file__).resolve().parent.parent
OUT = HERE / "generated"

#: Roles of components with a heading and what the page opens with.
ROLES = {
    "term": (
        "Terms",
        "What a model is a sum of. ``y`` is a printed estimate on the analysis scale, ``s`` its "
        "standard error, ``theta`` the effect behind it.",
    ),
    "prior": (
        "Priors",
        "What is plausible before the studies are read. Scales are those of the analysis: logarithms "
        "for ratios. None of them looks at the data.",
    ),
    "likelihood": ("Likelihoods", "How an estimate scatters around its study's effect."),
    "selection": (
        "Selections",
        "How probable it is that a result is seen, given what it says. Without one every result is.",
    ),
    "engine": ("Engines", "How the posterior is computed. Without a choice: exact where it can."),
}


def heading(text: str, mark: str = "=") -> str:
    return f"{text}\n{mark * len(text)}\n\n"


def described() -> dict[str, dict[str, dict[str, str]]]:
    """Read the table of examples, formulas and warnings."""
    return tomllib.loads((HERE / "components.toml").read_text(encoding="utf-8"))


def defaults(cls: type) -> str:
    """List the settings that have a default."""
    rows = []
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING and field.default is not None:
            rows.append(f"``{field.name} = {field.default!r}``")
    return ", ".join(rows)


def inline(value: Any) -> str:
    """Write a value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def in_a_file(role: str, example: str) -> str:
    """Write an example as it stands in an analysis file."""
    table = tomllib.loads(f"x = {example}")["x"]
    if role == "prior":
        return f"prior = {inline(table)}"
    head = "[[term]]" if role == "term" else f"[{role}]"
    return "\n   ".join([head, *(f"{key} = {inline(value)}" for key, value in table.items())])


def components(role: str) -> str:
    """Write the page of one role."""
    import bayesrtw.analysis.spec  # noqa: F401, PLC0415 - registers every component
    from bayesrtw import registry  # noqa: PLC0415

    title, text = ROLES[role]
    page = heading(title) + text + "\n\n"
    table = described()[role]
    for kind, cls in registry.kinds(role).items():
        entry = table[kind]
        page += f".. _component-{role}-{kind}:\n\n" + heading(kind, "-")
        page += f".. code-block:: toml\n\n   {in_a_file(role, entry['example'])}\n\n"
        page += f".. math::\n\n   {entry['formula']}\n\n"
        page += f".. autoclass:: {cls.__module__}.{cls.__qualname__}\n   :no-index:\n\n"
        found = defaults(cls)
        if found:
            page += f"**Defaults.** {found}\n\n"
        page += f"**When not to use it.** {entry['not_when'].replace('`', '``')}\n\n"
    return page


def commands() -> str:
    """Write the page of the command line from the commands themselves."""
    from bayesrtw.cli import main  # noqa: PLC0415

    page = ".. _command-line:\n\n" + heading("Command line")
    page += (
        "Written from the commands at every build. ``bayesrtw COMMAND --help`` prints the same. What a "
        "command returns to the shell: :doc:`exit-codes`.\n\n"
    )
    for name, command in every_command(main.commands):
        page += f".. _command-{name.replace(' ', '-')}:\n\n" + heading(f"bayesrtw {name}", "-")
        context = click.Context(command, info_name=f"bayesrtw {name}")
        usage = command.get_usage(context).removeprefix("Usage: ")
        page += f".. code-block:: text\n\n   {' '.join(usage.split())}\n\n"
        page += "\n".join(line.strip() for line in (command.help or "").splitlines()) + "\n\n"
        rows = [
            record
            for parameter in command.get_params(context)
            if isinstance(parameter, click.Option)
            and (record := parameter.get_help_record(context)) is not None
        ]
        for flags, words in rows:
            plain = re.sub(r"\w+://[\w.:]+\w", r"``\g<0>``", words.replace("*", chr(92) + "*"))
            page += f"``{flags}``\n    {plain}\n\n"
    return page


def every_command(commands: Any, before: str = "") -> list[tuple[str, click.Command]]:
    """List commands by full name, those of groups after their group."""
    found = []
    for name, command in sorted(commands.items()):
        found.append((f"{before}{name}", command))
        if isinstance(command, click.Group):
            found += every_command(command.commands, f"{before}{name} ")
    return found


def exit_codes() -> str:
    """Write the one table of exit codes."""
    from bayesrtw.living.outcome import CODES  # noqa: PLC0415

    both = {
        0: "all went well",
        1: "something could not be read, fitted or written, and is named",
        2: "the command was not understood",
        3: "``check --strict`` found doubts; ``calibrate`` found a quantity outside its band",
    }
    rows = [(code, says, "every command") for code, says in both.items()]
    rows += [
        (code, CODES[code], "``update``, ``watch --once``; 10 and 50 also ``replay``")
        for code in sorted(CODES)
        if code not in both
    ]
    page = ".. _exit-codes:\n\n" + heading("Exit codes")
    page += (
        "Scripts act on these. With several analyses an update returns the gravest, in the order "
        "0, 10, 20, 30, 40, 50, 1; ``--json`` gives each.\n\n"
    )
    page += ".. list-table::\n   :header-rows: 1\n   :widths: 10 55 35\n\n"
    page += "   * - Code\n     - Meaning\n     - From\n"
    for code, says, origin in rows:
        page += f"   * - {code}\n     - {says}\n     - {origin}\n"
    page += (
        "\n``replay`` returns 10 where digits differ by less than the numerical error, and 50 where "
        "numbers do not agree.\n"
    )
    return page


def public_names() -> str:
    """Write the reference of the public names, by what they are for."""
    import bayesrtw as brw  # noqa: PLC0415

    table = tomllib.loads((HERE / "public.toml").read_text(encoding="utf-8"))
    listed = [name for names in table.values() for name in names]
    missing = sorted(set(brw.__all__) - set(listed))
    if missing:
        raise LookupError(f"docs/public.toml lists no page for {missing}")
    page = heading("Python")
    page += (
        "Everything public is reached from ``import bayesrtw as brw`` and is loaded when it is first "
        "used. Priors and biases are components: :doc:`prior`, :doc:`term`.\n\n"
        "What is fitted or asked draws itself and says it in words: ``synthesis.plot()`` is a forest, "
        '``synthesis.plot("tau")`` another of its pictures, ``leave_one_out(synthesis).plot()`` that of an '
        "answer; ``describe()`` has the same arguments, and a wrong name is answered with the choices. "
        "The gallery shows each.\n\n"
    )
    for title, names in table.items():
        page += heading(title, "-") + ".. currentmodule:: bayesrtw\n\n"
        page += ".. autosummary::\n   :toctree: api\n\n"
        page += "".join(f"   {name}\n" for name in names) + "\n"
        # Functions of a module that says what it offers stand by the name of their home.
        homes = [getattr(brw, name) for name in names]
        verbs = [
            getattr(home, name)
            for home in homes
            if isinstance(home, ModuleType) and hasattr(home, "__all__")
            for name in home.__all__
            if name.islower()
        ]
        if verbs:
            page += ".. autosummary::\n   :toctree: api\n\n"
            paths = (f"{verb.__module__}.{verb.__name__}" for verb in verbs)
            page += "".join(f"   ~{path.removeprefix('bayesrtw.')}\n" for path in paths) + "\n"
    return page


def decisions() -> str:
    """Write the reference of what is asked for a decision."""
    page = heading("Decisions in Python")
    page += (
        "What those who decide ask lives in ``bayesrtw.decision``, each question in a file of its own, and "
        "is imported from there, as in ``from bayesrtw.decision.absolute import absolute_effects``. "
        ":doc:`One tutorial </tutorials/decision>` goes from a posterior to a decision, :doc:`another "
        "</tutorials/next-trial>` from costs to the next trial.\n\n"
    )
    for title, names in tomllib.loads((HERE / "decisions.toml").read_text("utf-8")).items():
        page += heading(title, "-") + ".. currentmodule:: bayesrtw\n\n"
        page += ".. autosummary::\n   :toctree: api\n\n"
        page += "".join(f"   ~{name}\n" for name in names) + "\n"
    return page


def schema() -> None:
    """Write the JSON Schema of analysis files, and the page that lists its keys."""
    from bayesrtw.analysis.schema import json_schema  # noqa: PLC0415

    found = json_schema()
    path = OUT / "static" / "analysis.schema.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = heading("Keys of an analysis file")
    page += (
        "Written from the dataclasses that read the file. The same as :download:`JSON Schema "
        "<static/analysis.schema.json>`, for editors and validators: in VS Code with *Even Better TOML*, "
        "put ``#:schema analysis.schema.json`` into the first line of the file.\n\n"
        "Terms, priors, likelihoods and engines are tables with a ``kind``: :doc:`term`, :doc:`prior`, "
        ":doc:`likelihood`, :doc:`engine`.\n\n"
    )
    tables = {"": found} | {
        name: table for name, table in found["$defs"].items() if "." not in name
    }
    for name, table in tables.items():
        page += heading(name or "The file", "-")
        for key, says in table["properties"].items():
            need = ", required" if key in table["required"] else ""
            default = (
                f" Default ``{says['default']!r}``."
                if says.get("default") not in (None, "")
                else ""
            )
            text = says.get("description", "").replace("`", "``").replace("````", "``")
            page += f"``{key}`` ({kind_of(says)}{need})\n    {text}{default}\n\n"
    write("analysis-keys.rst", page)


def kind_of(says: dict[str, Any]) -> str:
    """Say in a word what a key holds."""
    if "$ref" in says:
        return f"table {says['$ref'].rsplit('/', 1)[-1]}"
    if "enum" in says:
        return " or ".join(f"``{value}``" for value in says["enum"])
    if "oneOf" in says:
        return says["oneOf"][0]["$ref"].rsplit("/", 1)[-1].split(".")[0]
    if says.get("type") == "array":
        return f"list of {kind_of(says['items'])}"
    return {"object": "table", "string": "text"}.get(
        says.get("type", ""), says.get("type", "any value")
    )


def measures() -> str:
    """Write the page of measures from the tables that convert, turn back and choose priors."""
    from bayesrtw.evidence.measure import MEASURES  # noqa: PLC0415
    from bayesrtw.evidence.route import ROUTES  # noqa: PLC0415
    from bayesrtw.model.defaults import DAYS, TABLE, described  # noqa: PLC0415

    page = ".. _measures:\n\n" + heading("Measures")
    page += (
        "Written at every build from the tables that do the work. *Scale* is the link from what is "
        "reported to the scale of analysis; results are turned back by its inverse. Estimates printed with "
        "an interval, a standard error or a P value are taken in every measure.\n\n"
    )
    for name, measure in MEASURES.items():
        page += f".. _measure-{name.replace('_', '-')}:\n\n" + heading(f"``{name}``", "-")
        null = f"no effect at {measure.null:g}" if measure.groups == 2 else "of one group"
        page += f"**{measure.title}** ({measure.abbreviation}), {null}. "
        page += f"Scale: {measure.link.name}, turned back by {INVERSES[measure.link.name]}.\n\n"
        for (kind, of), route in ROUTES.items():
            if of == name:
                needs = ", ".join(f"``{each}``" for each in route.needs)
                page += f"* From {kind.replace('_', ' ')} ({needs}): {equation(route, name)}\n"
        default = TABLE.get(name)
        said = (
            "On the scale of the data, since the unit is anybody's. Our judgement."
            if default is None
            else f"mu ~ {described(default.mu)}, tau ~ {described(default.tau)}: {default.why}."
        )
        if name in ("mean_difference", "rmst_difference"):
            days = f"{described(DAYS.mu)} and {described(DAYS.tau)}"
            said += f" In days: {days}, a judgement too."
        page += f"\n**Default priors.** {said}\n\n"
    return page


#: How results are turned back, by the name of the link.
INVERSES = {
    "identity": "nothing",
    "log": "exp",
    "logit": "1 / (1 + exp(-x))",
    "Fisher's z": "tanh",
    "arcsine": "sin squared",
}


def equation(route: Any, measure: str) -> str:
    """Say which equation a route follows, in the words of the function that holds it."""
    from bayesrtw.evidence.groups import OF_GROUP  # noqa: PLC0415

    function = route.function
    if not function.__module__.endswith("convert"):  # the difference of two groups, or one of them
        function = OF_GROUP[measure]
    text = function.__doc__ or ""
    found = re.search(r"Returns\n\s*-+\n\s*Converted\n(.*?)(\n\n|\Z)", text, re.DOTALL)
    said = " ".join((found[1] if found else text.split("\n\n")[0]).split())
    references = " ".join(re.findall(r"doi:\S+", text.split("References")[-1])) if found else ""
    plain = re.sub(r" \[\d+\]_", "", said).replace("`", "``").replace("*", chr(92) + "*")
    return f"{plain} {references}".strip()


def write(name: str, text: str) -> None:
    """Write a page if it changed, so that an unchanged one is not built again."""
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def generate(*_: Any) -> None:
    for role in ROLES:
        write(f"{role}.rst", components(role))
    write("cli.rst", commands())
    write("exit-codes.rst", exit_codes())
    write("measures.rst", measures())
    write("parts.rst", parts.page())
    write("api.rst", public_names())
    write("decisions.rst", decisions())
    write("static/layers.svg", layers.draw(layers.layers(HERE.parent / "pyproject.toml")))
    schema()


def setup(app: Any) -> dict[str, bool]:
    app.connect("config-inited", generate)  # before anybody looks which pages there are
    return {"parallel_read_safe": True, "parallel_write_safe": True}
