"""The training loop of chapter 3, for use after you have written it yourself.

    from torchcourse.train import correct, evaluate, fit

    history = fit(
        model, train_loader, validation_loader,
        epochs=10, optimizer=optimizer, loss_fn=nn.CrossEntropyLoss(),
        metrics={"accuracy": correct}, folder="runs/digits", patience=3,
    )
    load_weights(model, "runs/digits/best.pt")
    scores = evaluate(model, test_loader, loss_fn=loss_fn, metrics={"accuracy": correct})

`loop` holds the loop, `checkpoint` what lets a killed run go on as if nothing had happened,
`history` the figures of a run, `mode` puts a model into eval mode and back. The lesson "The
training loop" builds the first three.
"""

from torchcourse.train.checkpoint import CheckpointError, load_weights
from torchcourse.train.history import History
from torchcourse.train.loop import correct, evaluate, fit, train_one_epoch
from torchcourse.train.mode import in_eval_mode

__all__ = [
    "CheckpointError",
    "History",
    "correct",
    "evaluate",
    "fit",
    "in_eval_mode",
    "load_weights",
    "train_one_epoch",
]
