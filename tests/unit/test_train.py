"""The training loop: right averages, and runs that survive being killed bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).parent))
import killable_run

from torchcourse.train import (
    CheckpointError,
    History,
    correct,
    evaluate,
    fit,
    load_weights,
    train_one_epoch,
)
from torchcourse.train.checkpoint import loader_generators, random_states, set_random_states

DIED_MIDWAY = ("sample:3", "sample:37", "sample:104")  # first batch, second epoch, last sample
DIED_SAVING = ("save:1", "save:4", "fsync:2", "rename:1", "rename:2", "rename:3")
CHAINS = [*DIED_MIDWAY, *DIED_SAVING, "sample:37+rename:2+save:2"]
pytestmark = pytest.mark.filterwarnings("error")


def pairs(count: int, seed: int = 0) -> TensorDataset:
    inputs = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, (inputs[:, 0] > 0).long())


def arguments(**changes) -> dict:
    """A small run without randomness; `changes` go to fit."""
    torch.manual_seed(0)
    model = changes.pop("model", None) or nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    return {
        "model": model,
        "train_loader": DataLoader(pairs(20), batch_size=8),
        "validation_loader": DataLoader(pairs(13, seed=1), batch_size=5),
        "epochs": 3,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "loss_fn": nn.CrossEntropyLoss(),
        "metrics": {"accuracy": correct},
        "progress": False,
        **changes,
    }


# Killed and started again


@pytest.fixture(scope="module")
def survivors(tmp_path_factory):
    """Folder of the chains' runs, and how each start ended."""
    folder = tmp_path_factory.mktemp("killed")
    chains = ["never", *CHAINS, "workers+never", "workers+rename:3"]
    script = Path(killable_run.__file__)
    done = subprocess.run(
        [sys.executable, script, folder, *chains],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ends = [line.rsplit(" ", 2) for line in done.stdout.splitlines()]
    return folder, {(chain, moment): int(signal) for chain, moment, signal in ends}, done.stderr


@pytest.mark.parametrize("chain", [*CHAINS, "workers+rename:3"])
def test_killed_run_ends_with_the_same_bits(survivors, chain):
    folder, ends, errors = survivors
    for moment in chain.removeprefix("workers+").split("+"):
        assert ends[chain, moment] == 9, errors
    assert ends[chain, "never"] == 0, errors
    whole = "workers+never" if chain.startswith("workers") else "never"
    want = torch.load(folder / whole / "final.pt", weights_only=True)
    for name in ("final.pt", "best.pt", "last.pt"):
        got = torch.load(folder / chain / name, weights_only=True)
        reference = torch.load(folder / whole / name, weights_only=True)
        weights = got if name == "final.pt" else got["model"]
        reference = reference if name == "final.pt" else reference["model"]
        assert weights.keys() == want.keys()
        assert all(torch.equal(weights[key], reference[key]) for key in want), name


def test_random_numbers_reach_the_weights(survivors):
    """Workers draw other noise and end elsewhere, so equal weights mean equal random numbers."""
    folder, _, _ = survivors
    here, there = (
        torch.load(folder / chain / "final.pt", weights_only=True)["0.weight"]
        for chain in ("never", "workers+never")
    )
    assert not torch.equal(here, there)


def test_history_is_whole_after_a_restart(survivors):
    folder, _, _ = survivors
    histories = [
        torch.load(folder / chain / "last.pt", weights_only=True)["history"]
        for chain in ("never", "sample:37+rename:2+save:2")
    ]
    for row in (row for rows in histories for row in rows):
        assert row.pop("seconds") > 0
    assert histories[0] == histories[1]
    assert [row["epoch"] for row in histories[0]] == [1, 2, 3, 4]


def test_parent_kills_without_warning(tmp_path):
    """From outside, at a moment nobody planned, a little after the first checkpoint."""
    script = (
        "import killable_run, sys, time, pathlib\n"
        "real = killable_run.Noisy.__getitem__\n"
        "def slow(self, index):\n"
        "    time.sleep(0.004)\n"
        "    return real(self, index)\n"
        "killable_run.Noisy.__getitem__ = slow\n"
        "killable_run.run(pathlib.Path(sys.argv[1]), 'never')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment)
    while not (tmp_path / "killed" / "last.pt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.05)  # some way into the second epoch, which takes 0.1 s
    process.kill()
    assert process.wait() == -9
    assert not (tmp_path / "killed" / "final.pt").exists()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        killable_run.run(tmp_path / "whole", "never")
    finally:
        torch.set_num_threads(threads)
    killed, whole = (
        torch.load(tmp_path / name / "final.pt", weights_only=True) for name in ("killed", "whole")
    )
    assert all(torch.equal(killed[key], whole[key]) for key in whole)


def test_a_failing_save_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    fit(**arguments(epochs=1, folder=tmp_path))
    before = (tmp_path / "last.pt").read_bytes()

    def full_disk(content, path):
        path.write_bytes(b"half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        fit(**arguments(epochs=2, folder=tmp_path))
    monkeypatch.undo()
    assert (tmp_path / "last.pt").read_bytes() == before
    assert len(fit(**arguments(epochs=2, folder=tmp_path))) == 2


def test_a_state_that_cannot_be_read_back_is_noticed_at_once(tmp_path):
    run = arguments(folder=tmp_path)
    run["scheduler"] = torch.optim.lr_scheduler.StepLR(run["optimizer"], 1)
    run["scheduler"].note = Path("x")  # a type that weights_only refuses
    with pytest.raises(CheckpointError, match=r"Path.*state_dict\(\) of your scheduler"):
        fit(**run)
    assert [file.name for file in tmp_path.iterdir()] == ["run.lock"]


# Damaged and foreign checkpoints


def spoil(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "a flipped bit in the weights":
        weight = torch.load(path, weights_only=True)["model"]["0.weight"]
        content[content.index(weight.numpy().tobytes())] ^= 1
        path.write_bytes(content)
    elif how == "a picture":
        Image.new("RGB", (9, 9)).save(path, format="PNG")
    elif how == "text":
        path.write_text("epoch 3")
    elif how == "weights alone":
        torch.save(torch.load(path, weights_only=True)["model"], path)
    elif how == "a whole module":
        torch.save(nn.Linear(2, 2), path)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("cut short", "cut short"),
        ("empty", "no file of torch.save"),
        ("a flipped bit in the weights", "checksum"),
        ("a picture", "no file of torch.save"),
        ("text", "no file of torch.save"),
        ("weights alone", "holds something else"),
        ("a whole module", "cannot be read"),
    ],
)
def test_damaged_checkpoint_is_refused_and_left(tmp_path, how, says):
    fit(**arguments(epochs=1, folder=tmp_path))
    path = tmp_path / "last.pt"
    spoil(path, how)
    left = path.read_bytes()
    run = arguments(folder=tmp_path)
    before = {name: value.clone() for name, value in run["model"].state_dict().items()}
    with pytest.raises(CheckpointError, match=says) as caught:
        fit(**run)
    assert str(path) in str(caught.value) and "Expected" in str(caught.value)
    assert path.read_bytes() == left
    assert all(torch.equal(before[key], value) for key, value in run["model"].state_dict().items())


def wider() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 2))


def test_checkpoint_of_another_architecture(tmp_path):
    fit(**arguments(epochs=1, folder=tmp_path))
    left = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match=r"0.weight: \(8, 6\) float32 in the file, \(9, 6\)"):
        fit(**arguments(model=wider(), folder=tmp_path))
    with pytest.raises(CheckpointError, match="missing here"):
        fit(**arguments(model=nn.Sequential(nn.Linear(6, 8)), folder=tmp_path))
    assert (tmp_path / "last.pt").read_bytes() == left


def test_checkpoint_of_another_optimizer_scheduler_or_loader(tmp_path):
    fit(**arguments(epochs=1, folder=tmp_path))
    run = arguments(folder=tmp_path)
    adam = torch.optim.Adam(run["model"].parameters())
    with pytest.raises(CheckpointError, match="optimizer SGD, but this run has Adam"):
        fit(**run | {"optimizer": adam})
    layers = [{"params": layer.parameters()} for layer in (run["model"][0], run["model"][2])]
    with pytest.raises(CheckpointError, match="groups"):
        fit(**run | {"optimizer": torch.optim.SGD(layers, lr=0.1)})
    steps = torch.optim.lr_scheduler.StepLR(run["optimizer"], 1)
    with pytest.raises(CheckpointError, match="scheduler None, but this run has StepLR"):
        fit(**run | {"scheduler": steps})
    seeded = DataLoader(pairs(20), shuffle=True, generator=torch.Generator())
    with pytest.raises(CheckpointError, match="0 generators"):
        fit(**run | {"train_loader": seeded})


def test_load_weights(tmp_path):
    run = arguments(folder=tmp_path)
    fit(**run)
    model = arguments()["model"].eval()
    load_weights(model, tmp_path / "last.pt")
    assert all(map(torch.equal, model.parameters(), run["model"].parameters()))
    assert not model.training
    with pytest.raises(CheckpointError, match="another model"):
        load_weights(wider(), tmp_path / "last.pt")
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        load_weights(model, tmp_path / "none.pt")


def test_two_runs_cannot_share_a_folder(tmp_path):
    def while_training(logits, targets):
        with pytest.raises(RuntimeError, match="another process"):
            fit(**arguments(folder=tmp_path))
        return logits.sum(1)

    fit(**arguments(folder=tmp_path, epochs=1, metrics={"nested": while_training}))


# Averages and modes


def test_averages_do_not_depend_on_the_batches():
    model = arguments()["model"]
    data = pairs(13)
    logits = model(data.tensors[0])
    loss = nn.functional.cross_entropy(logits, data.tensors[1]).item()
    accuracy = correct(logits, data.tensors[1]).double().mean().item()
    for batch_size in (13, 5, 4, 1):
        got = evaluate(
            model,
            DataLoader(data, batch_size=batch_size),
            loss_fn=nn.CrossEntropyLoss(),
            metrics={"accuracy": correct},
        )
        assert got == {"loss": pytest.approx(loss, rel=1e-5), "accuracy": accuracy}


def test_evaluate_leaves_no_trace():
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loader = DataLoader(pairs(12), batch_size=5)
    scores = [evaluate(model, loader, loss_fn=nn.CrossEntropyLoss()) for _ in range(2)]
    assert scores[0] == scores[1]
    assert model.training and all(module.training for module in model.modules())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    model[0].eval()  # frozen on purpose, in a model that trains
    evaluate(model, loader, loss_fn=nn.CrossEntropyLoss())
    assert [module.training for module in model] == [False, True, True]


def test_each_epoch_trains_in_train_mode():
    modes = []

    class Spy(nn.Linear):
        def forward(self, x):
            modes.append((self.training, torch.is_grad_enabled()))
            return super().forward(x)

    fit(**arguments(model=Spy(6, 2), epochs=2))
    assert modes == 2 * (3 * [(True, True)] + 3 * [(False, False)])


def test_one_epoch_equals_the_loop_by_hand():
    run, hand = arguments(), arguments()
    for inputs, targets in hand["train_loader"]:
        hand["optimizer"].zero_grad()
        hand["loss_fn"](hand["model"](inputs), targets).backward()
        hand["optimizer"].step()
    train_one_epoch(
        run["model"], run["train_loader"], optimizer=run["optimizer"], loss_fn=run["loss_fn"]
    )
    assert all(map(torch.equal, run["model"].parameters(), hand["model"].parameters()))


def test_learning_rates_follow_the_schedule():
    run = arguments(epochs=3)
    run["scheduler"] = torch.optim.lr_scheduler.StepLR(run["optimizer"], 1, gamma=0.5)
    assert fit(**run)["lr"] == [0.1, 0.05, 0.025]
    run = arguments(epochs=3, scheduler_every="batch")
    run["scheduler"] = torch.optim.lr_scheduler.StepLR(run["optimizer"], 1, gamma=0.5)
    assert fit(**run)["lr"] == [0.1, 0.0125, 0.0015625]
    run = arguments(epochs=4, monitor="train_loss")
    run["scheduler"] = torch.optim.lr_scheduler.ReduceLROnPlateau(
        run["optimizer"], patience=0, threshold=1e9, threshold_mode="abs"
    )
    assert fit(**run)["lr"] == pytest.approx([0.1, 0.1, 0.01, 0.001])


# Best epoch and early stopping


def worsening(**changes) -> dict:
    """A run whose metric is 3, 2, 1, 1, 1, … on the validation data."""
    run, calls = arguments(**changes), []

    def metric(logits, targets):
        calls.append(len(targets))
        return torch.full((len(targets),), float(max(1, 4 - len(calls))))

    run |= {"validation_loader": DataLoader(pairs(4), batch_size=4), "monitor": "validation_m"}

    def only_in_evaluation(logits, targets):
        return torch.zeros(len(targets)) if torch.is_grad_enabled() else metric(logits, targets)

    return run | {"metrics": {"m": only_in_evaluation}}


def test_early_stopping_counts_epochs_without_progress(tmp_path):
    history = fit(**worsening(epochs=50, patience=2, folder=tmp_path))
    assert history["validation_m"] == [3, 2, 1, 1, 1]
    assert history.best_epoch == 3 and history.best["validation_m"] == 1
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert len(best["history"]) == 3
    again = worsening(epochs=50, patience=2, folder=tmp_path)
    assert len(fit(**again)) == 5  # started again, it has nothing to do


def test_best_may_be_highest():
    history = fit(**worsening(epochs=50, patience=2, mode="max"))
    assert history["validation_m"] == [3, 2, 1] and history.best_epoch == 1


def test_history():
    nan = float("nan")
    rows = [{"epoch": i + 1, "validation_loss": v} for i, v in enumerate([nan, 2.0, 1.0, 1.0])]
    history = History(rows)
    assert history.best_epoch == 3 and not history.stalled(2) and history.stalled(1)
    assert not history.stalled(None)
    assert "best was 3" in str(history)
    assert History(rows[:1]).best_epoch == 1
    with pytest.raises(KeyError, match="only epoch, validation_loss"):
        history["loss"]
    with pytest.raises(ValueError, match="no epoch"):
        _ = History().best


def test_without_validation():
    history = fit(**arguments(validation_loader=None))
    assert history.monitor == "train_loss"
    assert set(history.rows[0]) == {"epoch", "lr", "train_loss", "train_accuracy", "seconds"}


# TensorBoard, random states, wrong arguments


def test_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        history = fit(**arguments(writer=writer))
    for part in ("train", "validation"):
        events = EventAccumulator(str(tmp_path / f"loss_{part}")).Reload()
        found = [(event.step, event.value) for event in events.Scalars("loss")]
        assert found == [(row["epoch"], pytest.approx(row[f"{part}_loss"])) for row in history.rows]
    assert len(EventAccumulator(str(tmp_path)).Reload().Scalars("lr")) == 3


def test_loader_generators_are_found_once():
    shared, own = torch.Generator(), torch.Generator()
    first = DataLoader(pairs(4), shuffle=True, generator=shared)
    weighted = torch.utils.data.WeightedRandomSampler([1.0] * 4, 4, generator=own)
    second = DataLoader(pairs(4), sampler=weighted, generator=shared)
    found = loader_generators(first, second, None, [(1, 2)])
    assert len(found) == 2 and {id(g) for g in found} == {id(shared), id(own)}


def test_random_states_go_back():
    import random

    import numpy as np

    generator = torch.Generator()

    def draw():
        return (
            random.random(),
            np.random.normal(),  # noqa: NPY002
            torch.rand(1).item(),
            torch.rand(1, generator=generator).item(),
        )

    draw()
    states = random_states([generator])
    first = draw()
    set_random_states(states, [generator])
    assert draw() == first


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epochs": 0}, "epochs must be an integer from 1"),
        ({"epochs": 2.0}, "epochs must be an integer from 1"),
        ({"patience": 0}, "patience must be"),
        ({"mode": "lowest"}, "mode must be 'min' or 'max'"),
        ({"scheduler_every": "step"}, "scheduler_every must be"),
        ({"monitor": "loss"}, "monitor must be one of train_loss, train_accuracy, validation_"),
        ({"optimizer": torch.optim.SGD([nn.Parameter(torch.zeros(1))])}, "no parameter of this"),
        ({"train_loader": []}, "no batch"),
        ({"metrics": {"mean": lambda o, t: (o.argmax(1) == t).float().mean()}}, "one value per"),
    ],
)
def test_wrong_arguments(changes, says):
    with pytest.raises(ValueError, match=says):
        fit(**arguments(**changes))


def test_persistent_workers_are_warned_of(tmp_path):
    loader = DataLoader(pairs(4), num_workers=1, persistent_workers=True)
    with pytest.warns(UserWarning, match="persistent_workers=False"):
        fit(**arguments(train_loader=loader, folder=tmp_path, epochs=1))


def test_progress_bar_on_demand(capsys):
    fit(**arguments(epochs=1, progress=True))
    assert "epoch 1/1" in capsys.readouterr().err
    fit(**arguments(epochs=1))
    assert capsys.readouterr() == ("", "")
