"""A sweep whose cells Optuna chooses: `--optuna N --objective METRIC`.

A trial is a point of the search: one cell for each seed of the sweep, and its value is their mean. Axes are
categorical choices; ranges are numbers. The study lies in .sweeps/NAME/optuna.journal. A trial is told to
Optuna only when its cells are done. So one that a kill or a failure left open is run by the next command, and
what a trial measured is an experiment like any other.
"""

import hashlib
import itertools
import json
import statistics
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files import InputError, ParamsError
from pipeline.orchestration.sweeps.grid import AXES, Cell, Grid, Planner, title
from pipeline.orchestration.sweeps.objective import Objective, objective
from pipeline.params import Params
from pipeline.params.base import Section, inner_section

if TYPE_CHECKING:
    import optuna

SEED = AXES["seed"]
JOURNAL = "optuna.journal"
DIGITS = 6  # significant digits of a number that is drawn from a range


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; `log`: spread evenly over their logarithm."""

    low: float
    high: float
    log: bool
    whole: bool


@dataclass(frozen=True)
class Trial:
    """A point of the search. number: Optuna's. swept: what it sets, without the seed."""

    number: int
    swept: dict[str, Any]
    cells: list[Cell]


class Study:
    """The search of one sweep. `code`: a digest of the project's code; another one begins another study."""

    def __init__(
        self, folder: Path, sweep: str, grid: Grid, root: Path, goal: str, trials: int, code: str
    ) -> None:
        """Raises InputError without Optuna or for a goal that is none, ParamsError for a point of the search
        that no run could have: every choice and both ends of every range are checked."""
        if find_spec("optuna") is None:
            raise InputError("--optuna: needs optuna: uv pip install optuna")
        self.objective: Objective = objective(goal)
        self.trials, self.planner = trials, Planner(sweep, grid, root)
        self.choices = dict(self.planner.axes)
        self.seeds = self.choices.pop(SEED, None)
        self.ranges = dict(map(parse_range, grid.ranges))
        for path in self.ranges:
            if path in self.planner.axes or path in dict(text.split("=", 1) for text in grid.settings):
                raise ParamsError(f"{path}: both a range and swept or set")
        if not self.choices and not self.ranges:
            raise InputError("--optuna: nothing to search: name values by --grid or a --range")
        self._check()
        said = [self.planner.tree, self.planner.fixed, self.choices, self.seeds, goal, code]
        said.append({path: vars(limits) for path, limits in self.ranges.items()})
        key = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:8]
        self.file, self.name = folder / JOURNAL, f"{sweep}-{key}"
        self.tried: set[int] = set()  # trials that this process has begun

    def known(self) -> list[Trial]:
        """The trials so far, in their order; those that no run could have are left out."""
        states = self._states()
        return [
            self._trial(trial) for trial in self._all() if trial.state != states.FAIL and self._whole(trial)
        ]

    def over(self) -> bool:
        """Whether as many trials as were asked for have a value, or can have none."""
        states = self._states()
        return sum(trial.state in (states.COMPLETE, states.FAIL) for trial in self._all()) >= self.trials

    def next(self, count: int) -> list[Trial]:
        """Up to `count` trials to run now: first those that an earlier process left open, then new ones."""
        states = self._states()
        left = [trial for trial in self._all() if trial.state == states.RUNNING]
        for trial in left:
            if not self._whole(trial):
                self._open().tell(trial.number, state=states.FAIL)
        left = [trial for trial in left if self._whole(trial)]
        batch = [self._trial(trial) for trial in left if trial.number not in self.tried][:count]
        while len(batch) < count and len(self._all()) < self.trials:
            new = self._ask()
            if new is not None:
                batch.append(new)
        self.tried |= {trial.number for trial in batch}
        return batch

    def tell(self, trial: Trial, values: list[float | None]) -> None:
        """Give Optuna the value of a trial whose cells are all done: their mean.

        Raises InputError where a cell lacks the number.
        """
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            raise InputError(f"--objective {self.objective.name}: {title(trial.swept)} has no such number")
        self._open().tell(trial.number, statistics.fmean(known))

    def summary(self) -> str:
        """One line: how many trials have a value, and the best of them."""
        done = [trial for trial in self._all() if trial.state == self._states().COMPLETE]
        line = f"{len(done)} of {self.trials} trials done; {self.objective.meaning}"
        if not done:
            return line
        sign = 1 if self.objective.direction == "minimize" else -1
        best = min(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
        return f"{line}; best: {title(self._swept(best.params))}, {best.value:.4g}"

    def _whole(self, found: "optuna.trial.FrozenTrial") -> bool:
        """Whether all values of a trial were stored: a kill while Optuna chooses leaves some out."""
        return found.params.keys() == self.choices.keys() | self.ranges.keys()

    def _trial(self, found: "optuna.trial.FrozenTrial | optuna.Trial") -> Trial:
        swept = self._swept(found.params)
        seeds = [{}] if self.seeds is None else [{SEED: seed} for seed in self.seeds]
        return Trial(found.number, swept, [self.planner.cell(swept | seed) for seed in seeds])

    def _ask(self) -> Trial | None:
        """A new trial; None where no run could have its values: a range may hold some that do not fit."""
        import optuna

        study = self._open()
        # Each trial has a generator of its own, so that a study that was killed goes on as it would have.
        study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
        spaces: dict[str, Any] = {
            path: optuna.distributions.CategoricalDistribution([json.dumps(value) for value in values])
            for path, values in self.choices.items()
        }
        for path, limits in self.ranges.items():
            if limits.whole:
                whole = (int(limits.low), int(limits.high))
                spaces[path] = optuna.distributions.IntDistribution(*whole, log=limits.log)
            else:
                spaces[path] = optuna.distributions.FloatDistribution(limits.low, limits.high, log=limits.log)
        asked = study.ask(spaces)
        try:
            return self._trial(asked)
        except ParamsError as error:
            print(f"optuna: trial {asked.number} is left out: {error}", flush=True)
            study.tell(asked.number, state=self._states().FAIL)
            return None

    def _swept(self, params: dict[str, Any]) -> dict[str, Any]:
        """What Optuna stores, as values of params, in the order of the axes."""
        chosen = {path: json.loads(params[path]) for path in self.choices}
        drawn = {path: params[path] for path in self.ranges}
        return chosen | {
            path: value if self.ranges[path].whole else float(f"{value:.{DIGITS}g}")
            for path, value in drawn.items()
        }

    def _check(self) -> None:
        """Every combination of choices, and of the ends of ranges, is one that a run could have."""
        ends = {path: [limits.low, limits.high] for path, limits in self.ranges.items()}
        axes = self.choices | ends | ({} if self.seeds is None else {SEED: self.seeds})
        for values in itertools.product(*axes.values()):
            self.planner.cell(dict(zip(axes, values, strict=True)))

    def _all(self) -> list["optuna.trial.FrozenTrial"]:
        """Every trial of the study, also before there is one; nothing is written."""
        if not self.file.exists():
            return []
        return self._open().trials

    def _open(self) -> "optuna.Study":
        import optuna
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(self.file)))
        direction = self.objective.direction
        return optuna.create_study(
            storage=storage, study_name=self.name, direction=direction, load_if_exists=True
        )

    def _states(self) -> Any:
        import optuna

        return optuna.trial.TrialState


def parse_range(text: str) -> tuple[str, Range]:
    """`a.b=lo:hi` or `a.b=lo:hi:log` -> ("a.b", its range).

    Raises ParamsError where it is none, or where a.b is no number.
    """
    path, _, limits = (part.strip() for part in text.partition("="))
    low, _, rest = limits.partition(":")
    high, _, scale = rest.partition(":")
    try:
        first, last = float(low), float(high)
    except ValueError:
        raise ParamsError(f"{text}: a range is section.key=lo:hi or section.key=lo:hi:log") from None
    if scale not in ("", "log") or not path:
        raise ParamsError(f"{text}: a range is section.key=lo:hi or section.key=lo:hi:log")
    if not first < last or (scale and first <= 0):
        raise ParamsError(
            f"{path}: a range begins below its end{', and above 0 for log' if scale else ''}, got {limits}"
        )
    kind = _kind(path)
    if kind is int and not (first.is_integer() and last.is_integer()):
        raise ParamsError(f"{path}: a range of whole numbers, got {limits}")
    if kind is int:
        first, last = int(first), int(last)
    return path, Range(first, last, log=bool(scale), whole=kind is int)


def _kind(path: str) -> type:
    """int or float: what a param is. Raises ParamsError for another; a path that is unknown passes as float,
    as the check of its cells names what was meant."""
    section: type[Section] | None = Params
    *sections, key = path.split(".")
    for part in sections:
        field = section.fields_by_key().get(part) if section else None
        section = inner_section(field) if field else None
    field = section.fields_by_key().get(key) if section else None
    if field is None:
        return float
    if field.annotation not in (int, float):
        raise ParamsError(f"{path}: is no number, so it has no range; name its values by --grid")
    return field.annotation
