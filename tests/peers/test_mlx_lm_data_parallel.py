"""Data-parallel fine-tuning of mlx-lm's models on the ops: two processes get the gradients of one batch."""

import ranks

MODELS = ("qwen3_next", "mamba2", "recurrent_gemma")


def test_two_processes_get_the_gradients_of_one_batch():
    for code, worst, complaint in ranks.start(2, "fine_tuning", *MODELS):
        assert code == 0, complaint
        assert set(worst) == set(MODELS)
        assert all(error < 2e-5 for error in worst.values()), worst
