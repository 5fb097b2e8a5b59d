"""The two players of exercise 03: schedule and gradients, with what helps when a solution is not right yet."""

from __future__ import annotations

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import adversarial_mistakes as mistake
from xmr_lib.course.tasks.adversarial_by_hand import player_gradients, warm_up
from xmr_lib.course.tasks.adversarial_cases import player_cases, schedule_cases
from xmr_lib.course.tasks.sees import holds, not_finite

SCHEDULE = Task(
    id="03.reversal_schedule",
    signature="warm_up(progress in 0..1, start, stop, peak) -> float in 0..peak",
    difficulty=1,
    minutes=8,
    reference=warm_up,
    cases=schedule_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's reversal_strength, which follows a fixed curve from 0 to 1. The task asks for "
            "warm_up: its ramp has a start, a stop and a peak that are given.",
            arguments=("progress", "steepness"),
        ),
        Diagnosis(
            "the lesson's curve",
            "this is the curve 2 / (1 + exp(-10 p)) - 1 of the lesson. Here the strength follows a straight line "
            "between start and stop.",
            lambda progress, start, stop, peak: mistake.lesson_curve(progress),
        ),
        Diagnosis(
            "the lesson's curve",
            "this is the curve 2 / (1 + exp(-10 p)) - 1 of the lesson, times the peak. Here the strength follows a "
            "straight line between start and stop.",
            lambda progress, start, stop, peak: peak * mistake.lesson_curve(progress),
        ),
        Diagnosis(
            "no floor",
            "before the start the strength is negative: the encoder would help the discriminator. It is 0 there.",
            mistake.ramp(floor=-1e300),
            sees=mistake.is_negative,
        ),
        Diagnosis(
            "no ceiling",
            "the ramp goes on behind the stop. From there on the strength stays at the peak.",
            mistake.ramp(ceiling=1e300),
            sees=mistake.is_above_peak,
        ),
        Diagnosis(
            "start ignored",
            "the ramp begins at progress 0. Until the start the strength is 0, and the line rises from there.",
            mistake.ramp(lambda p, start, stop: p / stop),
        ),
        Diagnosis(
            "divided by the stop",
            "the ramp is as long as stop. It begins at the start, so its length is stop - start.",
            mistake.ramp(lambda p, start, stop: (p - start) / stop),
        ),
        Diagnosis(
            "stop ignored",
            "the ramp ends with the training, at progress 1. It must reach the peak at the stop.",
            mistake.ramp(lambda p, start, stop: (p - start) / (1 - start)),
        ),
        Diagnosis(
            "no ramp",
            "the strength jumps from 0 to the peak at the start. Between start and stop it follows a straight line.",
            mistake.ramp(lambda p, start, stop: float(p >= stop if start == stop else p > start)),
        ),
        Diagnosis(
            "peak forgotten",
            "the ramp rises to 1. Its height is the peak.",
            mistake.ramp(scale=False),
        ),
    ),
    nudge="Draw the curve for start 0.2, stop 0.6 and peak 0.5. It has three pieces. What happens to the middle one "
    "when start and stop come together?",
    hint="On the ramp the share (progress - start) / (stop - start) goes from 0 to 1. Ask for `progress >= stop` "
    "first, then the division is never by 0.",
    outline="Return peak when progress >= stop; return 0 when progress <= start; else peak times the share of the "
    "ramp.",
)


PLAYERS = Task(
    id="03.gradient_reversal",
    signature="player_gradients(x (n, p), weights (p, d), probe (d,), bias, modality (n,) of 0 and 1, slope (n, d), "
    "strength) -> g_weights (p, d), g_probe (d,), g_bias",
    difficulty=3,
    minutes=30,
    reference=player_gradients,
    cases=player_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's modality_loss, which gives the loss and leaves the gradients to autograd. The task "
            "asks for player_gradients: the gradient of each player, by hand.",
            arguments=("image_logits", "text_logits"),
        ),
        Diagnosis(
            "the lesson's function",
            "this is the lesson's reverse_gradient, which needs autograd. The task asks for player_gradients: the "
            "gradient of each player, by hand.",
            arguments=("x", "strength"),
        ),
        Diagnosis(
            "loss instead of gradients",
            "this is the loss of the discriminator. Return the gradients that the two players go down.",
            sees=mistake.is_adversary_loss,
        ),
        Diagnosis(
            "gradient of the embeddings",
            "the first result is the gradient of the embeddings e, of shape (n, d). One step further back are the "
            "weights: e = x W, so multiply by x' from the left.",
            sees=mistake.is_gradient_of_embeddings,
        ),
        Diagnosis(
            "overflow",
            "exp of a large score overflows. Use exp of negative numbers only, or np.logaddexp: "
            "sigmoid(z) = exp(-log(1 + exp(-z))).",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "not reversed",
            "the encoder helps the discriminator: its part of the gradient has the sign of the discriminator's. "
            "Behind the reversal it is multiplied by -strength.",
            mistake.players(adversary=lambda strength: strength),
        ),
        Diagnosis(
            "both reversed",
            "the discriminator's own gradient is reversed too, so it unlearns. The reversal sits between the two "
            "players: only what flows back into the encoder changes its sign.",
            mistake.players(discriminator=lambda strength: -strength),
        ),
        Diagnosis(
            "both reversed",
            "the discriminator's own gradient has the wrong sign, so it unlearns. The reversal sits between the two "
            "players: only what flows back into the encoder changes its sign.",
            mistake.players(discriminator=lambda strength: -1.0),
        ),
        Diagnosis(
            "the wrong player reversed",
            "the signs of the two players are exchanged. The discriminator goes down its loss; the encoder is the one "
            "that gets it times -strength.",
            mistake.players(adversary=lambda strength: strength, discriminator=lambda strength: -strength),
        ),
        Diagnosis(
            "strength on the discriminator",
            "the discriminator's gradient is multiplied by the strength, so with strength 0 it would never learn. The "
            "strength belongs to what flows back into the encoder.",
            mistake.players(discriminator=lambda strength: strength),
        ),
        Diagnosis(
            "strength forgotten",
            "the reversed gradient is not multiplied by the strength.",
            mistake.players(adversary=lambda strength: -1.0),
        ),
        Diagnosis(
            "embedding loss reversed",
            "the slope of the embedding loss is reversed as well. The encoder still goes down that loss: only the "
            "discriminator's part changes its sign.",
            mistake.players(embedding=-1.0),
        ),
        Diagnosis(
            "embedding loss forgotten",
            "the slope of the embedding loss is missing. The encoder has two masters: add both at the embeddings.",
            mistake.players(embedding=0.0),
        ),
        Diagnosis(
            "not averaged",
            "the errors of the discriminator are summed. Its loss is a mean over the n items: divide by n.",
            mistake.players(average=False),
        ),
        Diagnosis(
            "modalities exchanged",
            "the discriminator learns to say image where a text stands. The chance D is that of a text, and texts "
            "have modality 1: error = D - modality.",
            mistake.players(swapped=True),
        ),
        Diagnosis(
            "scores instead of chances",
            "the scores z are compared with 0 and 1. Turn them into chances with the sigmoid first.",
            mistake.players(chance=lambda z: z),
        ),
        Diagnosis(
            "bias forgotten",
            "the bias is not added to the scores.",
            mistake.players(use_bias=False),
        ),
        Diagnosis(
            "probe skipped",
            "the error reaches the embeddings without passing through the discriminator: z = e a + b, so the slope of "
            "z along e is a. Multiply the error by the probe.",
            mistake.players(through_probe=False),
        ),
    ),
    nudge="Walk backwards from the loss: score, embedding, weights. At which of the three steps does the sign change, "
    "and who stands behind it, who in front of it?",
    hint="With D = sigmoid(z) the slope of the loss along z is simply (D - m) / n, a vector of n numbers. From it come "
    "three things: the gradient of a, of b, and (times a) of the embeddings.",
    outline="e = x @ weights; error = (sigmoid(e @ probe + bias) - modality) / n; discriminator: e.T @ error and "
    "error.sum(), as they are; encoder: x.T @ (slope - strength * np.outer(error, probe)).",
)
