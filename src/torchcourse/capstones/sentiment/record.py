"""Record the full run of the capstone on real reviews: baselines, three seeds, log, weights.

    python -m torchcourse.capstones.sentiment.record                  all that is not done yet
    python -m torchcourse.capstones.sentiment.record baselines        counts and a linear model
    python -m torchcourse.capstones.sentiment.record gaps             pre-training without labels
    python -m torchcourse.capstones.sentiment.record run --number 0   one fine-tuning from there
    python -m torchcourse.capstones.sentiment.record seed --number 0  the mean of three of them
    python -m torchcourse.capstones.sentiment.record log --number 2   one line of the log
    python -m torchcourse.capstones.sentiment.record transfer         films to hotels, and back
    python -m torchcourse.capstones.sentiment.record looks            what seed 0 relies on
    python -m torchcourse.capstones.sentiment.record finish

The stages leave their results in ``--work``; all that build on `gaps` may run side by side, and one
that was interrupted goes on where it stopped. About an hour of processor time together.
``finish`` writes `weights/cap3_sentiment/{model.safetensors, vocab.txt, metrics.json, history.csv}`
from what is done. The reviews must be there: see `torchcourse.data.reviews.load`.

The test part is opened by `baselines`, `seed` and `transfer`, whose recipes are fixed; every
choice looked at the validation part alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from torchcourse.data import reviews
from torchcourse.data.reviews import Reviews
from torchcourse.recording import Clock, as_shipped, write_json
from torchcourse.runtime import get_device

from . import baselines, faithful, inference, measure
from .data import Parts, cleaned, encode, prepare, split
from .model import Config, TransformerClassifier, read_model, save_model
from .record_results import SHIPPED, finish
from .tokens import WordPiece, base_vocabulary, build
from .training import Recipe, predict, train

SEEDS = (0, 1, 2)
RUNS = 3  # fine-tunings that are averaged for one seed, weight by weight
MIN_COUNT = 3  # a piece that occurs less often in the training texts is [UNK]
FREE_TABLES = {"pair_decay": 0.0, "eps": 1e-8}  # nothing in the optimizer restrains them
# Before any label: eight times through the training texts. Nothing is learnt by heart where every
# pass hides other tokens, so there is little dropout, and nothing restrains the tables.
GAPS, GAPS_SEED = replace(Recipe(), epochs=8, **FREE_TABLES), 0
GAPS_CONFIG = {"dropout": 0.1, "pair_dropout": 0.0, "pair_std": 0.1}


@dataclass(frozen=True)
class Line:
    """What a line of the log changes; `scores` of each are on the validation part.

    Attributes:
        few: does it learn from `FEW` labels, and not from all?
        gaps: does it start from the weights of `record_gaps`?
        config, recipe: what differs from the defaults.
    """

    few: bool = True
    gaps: bool = False
    config: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)


FEW = 15_000
SHORT_TABLES = {"buckets": 16_381}
LOG = {
    "all labels, from scratch": Line(few=False),
    "all labels, tables an eighth as long": Line(few=False, config=SHORT_TABLES),
    "all labels, tables random and unrestrained": Line(
        few=False,
        config={"pair_std": 0.1, "pair_dropout": 0.0},
        recipe=FREE_TABLES,
    ),
    "from scratch": Line(),
    "gaps guessed before, in all texts": Line(gaps=True),
    "tables an eighth as long": Line(config=SHORT_TABLES),
    "tables that begin at random": Line(config={"pair_std": 0.1}),
    "tables unrestrained": Line(config={"pair_dropout": 0.0}, recipe=FREE_TABLES),
    "no pairs and triples": Line(config={"buckets": 0}),
    "only 128 tokens of a review": Line(config={"max_tokens": 128}),
    "no layers: vectors, pooled": Line(config={"layers": 0}),
    "no word dropout": Line(recipe={"word_dropout": 0.0}),
    "no dropout at all": Line(config={"dropout": 0.0}, recipe={"word_dropout": 0.0}),
    "no warm-up": Line(recipe={"warm_up": 0.0}),
    "a rate of 2e-5, as in fine-tuning": Line(recipe={"max_lr": 2e-5}),
}
TRANSFER = (("films", "hotels"), ("hotels", "films"))
TRANSFER_RECIPE = replace(Recipe(), epochs=8, batch_tokens=2_048)  # fewer texts, smaller batches
CANARY_SEED = 0
LOOKS, LOOKS_TOKENS, KEYWORDS = 1_000, 128, 24  # reviews, their length at most, words of a class
DEFAULT_WORK = Path("runs/cap3_sentiment")


@lru_cache(maxsize=1)
def load_parts() -> Parts:
    """The real reviews, split; or a sentence that says how to get them."""
    found = reviews.load()
    if "generated" in found.source:
        raise SystemExit(
            "the record is made on real reviews, which were not found; "
            "set TORCHCOURSE_DATA to their folder or TORCHCOURSE_PRESET=full to download them"
        )
    return prepare(found)


def tokenizer(train_part: Reviews) -> WordPiece:
    """The pieces that the training texts need."""
    return build(train_part.texts, base_vocabulary(train_part.texts)[0], MIN_COUNT)


def record_baselines(work: Path, _number: int) -> None:
    """What counting reaches on the test part, and what a leak makes of it."""
    parts, clock = load_parts(), Clock()
    result = {
        "always the commoner label": baselines.majority(parts.train, parts.test).tolist(),
        "TF-IDF": baselines.answers(baselines.tfidf(parts.train), parts.test).tolist(),
    }
    found = {"answers": result, "cleaning": cleaning(), "leak": leak(), **clock.times()}
    write_json(work / "baselines.json", found)


def cleaning() -> dict:
    """The same texts prepared in several ways, for a linear model, on the validation part."""
    raw = split(reviews.without_duplicates(reviews.load()))
    ways: dict[str, Callable[[str], str]] = {
        "raw": str,
        "clean": reviews.clean,
        "clean, letters and digits": reviews.same_text,
    }
    found = {}
    for name, way in ways.items():
        known, asked = (
            part._replace(texts=[way(text) for text in part.texts])
            for part in (raw.train, raw.validation)
        )
        answers = baselines.answers(baselines.tfidf(known), asked)
        found[name] = measure.scores(answers, asked.labels)
    return found


def leak() -> dict | None:
    """Film comments, split with their duplicates and without; None if their file is missing."""
    file = reviews.runtime.data_dir() / reviews.FOLDER / reviews.FILMS
    if not file.exists():
        return None
    films = cleaned(reviews.read_stars(file))
    order = torch.randperm(
        len(films.texts), generator=torch.Generator().manual_seed(CANARY_SEED)
    ).tolist()
    tenth = len(order) // 10
    leaky = films.take(order[tenth:]), films.take(order[:tenth])
    honest = split(cleaned(reviews.without_duplicates(films)))
    found = {"rows": len(films.texts), "texts": sum(len(part.texts) for part in honest)}
    for name, (known, asked) in {"leaky": leaky, "honest": (honest.train, honest.test)}.items():
        answers = baselines.answers(baselines.tfidf(known), asked)
        found[name] = measure.scores(answers, asked.labels)
    return found


def record_gaps(work: Path, _number: int) -> None:
    """Pre-training: guess hidden tokens of the training texts, whose labels stay covered up."""
    parts, clock = load_parts(), Clock()
    words = tokenizer(parts.train)
    config = Config(len(words), **GAPS_CONFIG)
    model, history = train(
        encode(words, parts.train, config.max_tokens),
        config,
        GAPS,
        seed=GAPS_SEED,
        device=get_device(),
        keep=work / "gaps.checkpoint",
        objective="gaps",
    )
    # What pairs were good for in guessing is in the way of judging: they begin at 0 once more.
    nn.init.zeros_(model.pair.weight)
    nn.init.zeros_(model.triple.weight)
    words.save(work / "vocab.txt")
    save_file(model.state_dict(), work / "gaps.safetensors")
    loss = [row["loss"] for row in history]
    about = {"recipe": asdict(GAPS), "config": GAPS_CONFIG, "seed": GAPS_SEED, "loss": loss}
    write_json(work / "gaps.json", about | clock.times())


def pretrained(work: Path) -> tuple[WordPiece, dict[str, torch.Tensor]]:
    """The tokenizer and the weights that `record_gaps` has left; every seed starts there."""
    if not (work / "gaps.json").exists():
        raise SystemExit("run the stage 'gaps' first: every seed starts from its weights")
    return WordPiece.load(work / "vocab.txt"), load_file(work / "gaps.safetensors")


def record_log(work: Path, number: int) -> None:
    """One line of the log, on the validation part; beside each first of a kind, TF-IDF."""
    parts, clock = load_parts(), Clock()
    name, line = list(LOG.items())[number]
    known = fewer(parts.train, FEW) if line.few else parts.train
    words, start = pretrained(work) if line.gaps else (tokenizer(known), None)
    config, recipe = replace(Config(len(words)), **line.config), replace(Recipe(), **line.recipe)
    data = encode(words, known, config.max_tokens)
    model, history = train(data, config, recipe, seed=0, device=get_device(), start=start)
    asked = parts.validation
    result = {"name": name, "texts": len(known.texts), "loss": history[-1]["loss"]}
    result |= {"scores": score(model, words, asked)}
    if line == Line(few=line.few):
        linear = baselines.answers(baselines.tfidf(known), asked)
        result["TF-IDF"] = measure.scores(linear, asked.labels)
    write_json(work / f"log_{number}.json", result | clock.times())


def fewer(part: Reviews, count: int) -> Reviews:
    """The same reviews of a part each time, so many."""
    order = torch.randperm(len(part.texts), generator=torch.Generator().manual_seed(0))
    return part.take(order[:count].tolist())


def record_run(work: Path, number: int) -> None:
    """One fine-tuning, whose validation score is kept."""
    parts, clock = load_parts(), Clock()
    words, start = pretrained(work)
    config, recipe = Config(len(words)), Recipe()
    validation = encode(words, parts.validation, config.max_tokens)

    def evaluate(model: TransformerClassifier) -> dict:
        found = measure.scores(predict(model, validation.rows).argmax(1), validation.labels)
        print(f"run {number}: {found['share']:.4f}", flush=True)
        return {"validation_accuracy": found["share"], "validation_macro_f1": found["macro_f1"]}

    model, history = train(
        encode(words, parts.train, config.max_tokens),
        config,
        recipe,
        seed=number,
        device=get_device(),
        evaluate=evaluate,
        keep=work / f"run_{number}.checkpoint",
        start=start,
    )
    as_shipped(model)
    save_model(model, work / f"run_{number}.safetensors")
    held = score(model, words, parts.validation)
    result = {"seed": number, "validation": held, "history": history, **clock.times()}
    result |= {"device": str(get_device()), "threads": torch.get_num_threads()}
    write_json(work / f"run_{number}.json", result)


def record_seed(work: Path, number: int) -> None:
    """The mean of the weights of `RUNS` fine-tunings, which answers for the test part once.

    They start from the same weights and stay in the same valley, so their mean lies in it as well,
    nearer to its middle (Wortsman et al., "Model soups", 2022, section 3).
    """
    parts, numbers = load_parts(), range(RUNS * number, RUNS * (number + 1))
    missing = [str(i) for i in numbers if not (work / f"run_{i}.json").exists()]
    if missing:
        raise SystemExit(f"run the stage 'run' with --number {', '.join(missing)} first")
    words = WordPiece.load(work / "vocab.txt")
    average = AveragedModel(read_model(work / f"run_{numbers[0]}.safetensors"))  # equal shares
    for i in numbers:
        average.update_parameters(read_model(work / f"run_{i}.safetensors"))
    model = average.module
    as_shipped(model)  # what is measured is what is shipped
    save_model(model, work / f"seed_{number}.safetensors")
    held = score(model, words, parts.validation)
    result = {"seed": number, "runs": list(numbers), "validation": held}
    result |= {"answers": answer(model, words, parts.test).tolist()}
    result |= {"parameters": sum(p.numel() for p in model.parameters())}
    write_json(work / f"seed_{number}.json", result)


def record_transfer(work: Path, _number: int) -> None:
    """Learn from one kind of reviews, answer for another."""
    parts, clock, found = load_parts(), Clock(), {}
    for source, target in TRANSFER:
        known = only(parts.train, source)
        words = tokenizer(known)
        config = Config(len(words))
        data = encode(words, known, config.max_tokens)
        model, _ = train(data, config, TRANSFER_RECIPE, seed=0, device=get_device())
        linear = baselines.tfidf(known)
        for asked in (only(parts.test, source), only(parts.test, target)):
            found[f"{source} → {asked.domains[0]}"] = {
                "texts": len(known.texts),
                "Transformer": score(model, words, asked),
                "TF-IDF": measure.scores(baselines.answers(linear, asked), asked.labels),
                "always the commoner label": measure.scores(
                    baselines.majority(known, asked), asked.labels
                ),
            }
    write_json(work / "transfer.json", {"measured": found, **clock.times()})


def record_looks(work: Path, _number: int) -> None:
    """What the shipped network relies on, in reviews of the validation part."""
    path = work / f"seed_{SHIPPED}.safetensors"
    if not path.exists():
        raise SystemExit(f"run the stage 'seed --number {SHIPPED}' first")
    parts, clock = load_parts(), Clock()
    words, model = WordPiece.load(work / "vocab.txt"), read_model(path)
    texts = fewer(parts.validation, LOOKS).texts
    rows = [row for row in words.encode(texts, LOOKS_TOKENS) if row]
    methods = (*inference.METHODS, faithful.RANDOM)
    found = {
        "texts": len(rows),
        "keywords": faithful.keywords(model, words, rows, KEYWORDS, at_least=10),
        "deletion": {name: faithful.deletion_curve(model, rows, name).tolist() for name in methods},
    }
    write_json(work / "looks.json", found | clock.times())


def only(part: Reviews, domain: str) -> Reviews:
    """The reviews of one kind."""
    return part.take(i for i, name in enumerate(part.domains) if name == domain)


def answer(model: TransformerClassifier, words: WordPiece, part: Reviews) -> torch.Tensor:
    """(N,) int64 answers to reviews."""
    return predict(model, encode(words, part, model.config.max_tokens).rows).argmax(1)


def score(model: TransformerClassifier, words: WordPiece, part: Reviews) -> dict:
    """How good the answers to reviews are, see `measure.scores`."""
    return measure.scores(answer(model, words, part), part.labels)


STAGES: dict[str, tuple[Callable[[Path, int], None], range]] = {
    "baselines": (record_baselines, range(1)),
    "gaps": (record_gaps, range(1)),
    "run": (record_run, range(RUNS * len(SEEDS))),
    "seed": (record_seed, range(len(SEEDS))),
    "log": (record_log, range(len(LOG))),
    "transfer": (record_transfer, range(1)),
    "looks": (record_looks, range(1)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?", choices=[*STAGES, "finish"])
    parser.add_argument("--number", type=int, help="of the seed or the line; else all")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for name, (stage, numbers) in STAGES.items():
        for number in numbers:
            file = args.work / (f"{name}_{number}.json" if len(numbers) > 1 else f"{name}.json")
            wanted = args.stage in (None, name) and args.number in (None, number)
            if wanted and not file.exists():
                print(f"{name} {number} → {file}", flush=True)
                stage(args.work, number)
    if args.stage in (None, "finish"):
        finish(args.work, load_parts(), [f"log_{i}" for i in range(len(LOG))])


if __name__ == "__main__":
    main()
