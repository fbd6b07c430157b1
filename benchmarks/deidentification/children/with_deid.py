"""deid with its default recipe, private tags removed as its documentation advises."""

from pathlib import Path

from deid.config import DeidRecipe
from deid.dicom import get_identifiers, replace_identifiers
from deid.logger import bot
from runner import run

bot.level = 0


def prepare(_job, _files):
    recipe = DeidRecipe()

    def clean(source, proposed):
        folder = str(Path(proposed).parent)
        found = get_identifiers([source])
        written = replace_identifiers(
            [source],
            ids=found,
            deid=recipe,
            save=True,
            overwrite=True,
            output_folder=folder,
            remove_private=True,
        )
        return written[0]

    return clean


run(prepare)
