"""mlx-lm's own LoRA training of a tiny Qwen3-Next and RWKV-7 on the ops: the loss falls, as it does without them."""

import mlx.optimizers as optim
import pytest
import tiny_models
from mlx_lm.tuner.callbacks import TrainingCallback
from mlx_lm.tuner.trainer import TrainingArgs, train
from mlx_lm.tuner.utils import linear_to_lora_layers

import loader


class Losses(TrainingCallback, list):
    def on_train_loss_report(self, info):
        self.append(info["train_loss"])


def fine_tune(folder, checkpoint, name="qwen3_next"):
    """The losses of 20 steps on texts that repeat three tokens."""
    model = tiny_models.build(name)
    model.freeze()
    linear_to_lora_layers(model, num_layers=3, config={"rank": 8, "scale": 20.0, "dropout": 0.0})
    texts = [([5, 17, 40] * 11, 0)] * 4
    losses = Losses()
    arguments = TrainingArgs(
        batch_size=4,
        iters=20,
        steps_per_report=1,
        max_seq_length=64,
        grad_checkpoint=checkpoint,
        adapter_file=folder / "adapters.safetensors",
    )
    train(model, optim.Adam(learning_rate=1e-2), texts, args=arguments, training_callback=losses)
    return losses


@pytest.mark.parametrize("checkpoint", [False, True], ids=["", "checkpointed"])
def test_the_loss_falls(tmp_path, monkeypatch, checkpoint):
    layer = type(tiny_models.build("qwen3_next").layers[0])
    monkeypatch.setattr(layer, "__call__", layer.__call__)  # mlx-lm's checkpointing replaces it for good
    with loader.patched_mlx_lm():
        losses = fine_tune(tmp_path, checkpoint)
    assert len(losses) == 20 and losses[-1] < 0.7 * losses[0]
    # Adam divides by the size of a gradient, however small, so the last digits part the two runs in the end.
    assert losses[:6] == pytest.approx(fine_tune(tmp_path, checkpoint)[:6], rel=1e-3)


def test_the_loss_of_rwkv7_falls(tmp_path):
    """mlx-lm's own kernel for it has no gradient."""
    with loader.patched_mlx_lm():
        losses = fine_tune(tmp_path, False, "rwkv7")
    assert len(losses) == 20 and losses[-1] < 0.7 * losses[0]
    assert losses[:6] == pytest.approx(fine_tune(tmp_path, False, "rwkv7")[:6], rel=1e-3)
