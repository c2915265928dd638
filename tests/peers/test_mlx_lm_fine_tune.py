"""The fine-tune that docs/mlx-lm.md shows, on a tiny Qwen3-Next on disk."""

import json
import sys

import mlx.core as mx
import pytest
import tiny_models
from documents import code
from mlx.utils import tree_flatten
from mlx_lm.models import gated_delta, qwen3_next
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import loader


@pytest.fixture
def folder(tmp_path):
    """A model, a tokenizer of words and texts, as mlx_lm.lora reads them."""
    model = tiny_models.build("qwen3_next")
    mx.save_safetensors(str(tmp_path / "model.safetensors"), tree_flatten(model.parameters(), destination={}))
    config = {"model_type": "qwen3_next"} | tiny_models.CONFIGS["qwen3_next"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = {f"w{i}": i for i in range(tiny_models.VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="w1").save_pretrained(tmp_path)
    text = json.dumps({"text": " ".join(["w5 w17 w40"] * 11)}) + "\n"
    for name in ("train", "valid"):
        (tmp_path / f"{name}.jsonl").write_text(4 * text)
    return tmp_path


def test_the_fine_tune(folder, monkeypatch):
    (block,) = code("docs/mlx-lm.md", "py")
    calls, get = [], loader.get
    monkeypatch.setattr("loader.integrations.recurrences.get", lambda name: calls.append(name) or get(name))
    adapters = folder / "adapters"
    options = {"model": folder, "data": folder, "iters": 2, "num-layers": 3, "adapter-path": adapters}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["finetune.py", "--train", *arguments])
    try:
        exec(compile(block, "finetune.py", "exec"), {})
        assert qwen3_next.gated_delta_update is gated_delta.gated_delta_update
    finally:
        loader.unpatch_mlx_lm()
    assert (adapters / "adapters.safetensors").exists()
    assert {"gated_delta"} <= set(calls) <= {"gated_delta", "short_conv"}
