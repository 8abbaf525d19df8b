"""deid, told what Table E.1-1 asks for."""

from pathlib import Path

import harness
from deid.config import DeidRecipe
from deid.dicom import replace_identifiers
from deid.logger import bot
from rules import Rule, rules


def prepare(job: harness.Job) -> harness.Deidentify:
    """One recipe for all files."""
    bot.level = -2
    lines = [_line(rule) for rule in rules(job) if rule.action != "inside"]
    recipe_file = Path(job["scratch"]) / "recipe.txt"
    recipe_file.write_text("\n".join(["FORMAT dicom", "", "%header", "", *lines, ""]))
    recipe = DeidRecipe(str(recipe_file))

    def deidentify(source: Path, target: Path) -> None:
        (ds,) = replace_identifiers([str(source)], deid=recipe, save=False, remove_private=True)
        ds.save_as(target)

    return deidentify


def _line(rule: Rule) -> str:
    field = f"({rule.tag[:4]},{rule.tag[4:]})"
    if rule.action == "uid":
        return f"REPLACE {field} deid_func:pydicom_uuid"
    if rule.action == "dummy":
        return f"REPLACE {field} {rule.dummy}"
    return f"{'REMOVE' if rule.action == 'remove' else 'BLANK'} {field}"


harness.main(harness.each_file(prepare))
