"""The least-squares game for codes that are spread out, of exercise 10: the task with what helps."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import unsupervised_mistakes as mistake
from xmr_lib.course.tasks.unsupervised_by_hand import code_game
from xmr_lib.course.tasks.unsupervised_cases import game_cases

GAME = Task(
    id="10.code_game",
    signature="code_game(h (n, K), prior (r, K), W (u, K), c (u,), v (u,)) -> judge, teacher, slope_v (u,), "
    "slope_h (n, K)",
    difficulty=3,
    minutes=35,
    reference=code_game,
    cases=game_cases,
    diagnoses=(
        *(
            Diagnosis(
                "the lesson's function",
                f"this is {name} of the lesson, a loss of scores that are there already. The task asks for code_game: "
                "the judge itself, both losses, and each player's slope by hand.",
                arguments=arguments,
            )
            for name, arguments in (
                ("discriminator_loss of HMAH", ("real", "made")),
                ("prior_loss of HMAH", ("made",)),
                ("discriminator_loss of SSAH", ("label_logits", "modality_logits")),
                ("fooling_loss of SSAH", ("modality_logits",)),
            )
        ),
        Diagnosis(
            "cross-entropy",
            "this is the game of lesson 05, with a sigmoid and logarithms. Here the scores stay as they are and the "
            "losses are squares.",
            mistake.cross_entropy,
        ),
        Diagnosis(
            "sides exchanged",
            "the judge wants 0 for the draws and 1 for the codes. It is the other way round.",
            mistake.game(targets=(0.0, 1.0, 1.0)),
        ),
        Diagnosis(
            "teacher helps the judge",
            "the teacher wants its codes to be scored 0, as the judge does. It wants 1: to be taken for a draw.",
            mistake.game(targets=(1.0, 0.0, 0.0)),
        ),
        Diagnosis(
            "minus the judge's loss",
            "the teacher's loss is minus that of the judge. In the least-squares game it is a square of its own.",
            mistake.game(blame=lambda judge, teacher: -judge, of_the_teacher=lambda judge, teacher: -judge),
        ),
        Diagnosis(
            "losses exchanged",
            "the losses of judge and teacher are exchanged. Return the judge's first.",
            mistake.exchanged,
        ),
        Diagnosis(
            "halved",
            "the losses are halved, and so are the slopes. Here the squares have the factor 1.",
            mistake.game(factor=0.5, slope_factor=1.0),
        ),
        Diagnosis(
            "factor 2 missing in the slopes",
            "the losses are right, the slopes half of what they should be: the slope of a square has a 2.",
            mistake.game(slope_factor=1.0),
        ),
        Diagnosis(
            "summed",
            "the squares are summed. Take the mean over the draws, and the mean over the codes.",
            mistake.game(norm=lambda prior, h: (1.0, 1.0)),
        ),
        Diagnosis(
            "one mean over both",
            "the squares of draws and codes are averaged together. There may be more draws than codes: each kind has "
            "its own mean.",
            mistake.game(norm=lambda prior, h: (1 / (len(prior) + len(h)), 1 / (len(prior) + len(h)))),
        ),
        Diagnosis(
            "slope of the sum",
            "the slope along the codes is that of the sum over codes. The loss is their mean: divide by n.",
            mistake.game(slope_norm=lambda h: 1.0),
        ),
        Diagnosis(
            "silent units pull",
            "units that are silent (their sum is 0 or less) pull at the codes. A ReLU that gives 0 has the slope 0.",
            mistake.game(open_units=np.ones_like),
        ),
        Diagnosis(
            "judge's slope along the codes",
            "the slope along the codes is that of the judge's loss. The codes belong to the teacher: take its loss.",
            mistake.game(of_the_teacher=lambda judge, teacher: judge),
        ),
        Diagnosis(
            "teacher's slope along v",
            "the slope along v is that of the teacher's loss, so the judge would learn to be fooled, as in the "
            "released code of SSAH. v belongs to the judge: take its loss.",
            mistake.game(of_the_judge=lambda judge, teacher: teacher),
        ),
        Diagnosis(
            "both losses along v",
            "the slope along v is that of both losses together. Each player moves for its own loss only.",
            mistake.game(of_the_judge=lambda judge, teacher: judge + teacher),
        ),
        Diagnosis(
            "adversary never reaches the codes",
            "the slope along the codes is 0, as if they were constants. That is the slip of the released code of SSAH: "
            "the teacher never hears the judge. Go through D: v, the open units, W.",
            mistake.game(of_the_teacher=lambda judge, teacher: np.zeros_like(teacher)),
        ),
        Diagnosis(
            "downhill",
            "the slope along the codes has the other sign. A slope points uphill; the teacher takes minus of it later.",
            mistake.game(of_the_teacher=lambda judge, teacher: -teacher),
        ),
        Diagnosis(
            "scores through a sigmoid",
            "the scores went through a sigmoid first. In the least-squares game they can be any number.",
            mistake.game(last=lambda score: 1 / (1 + np.exp(-score))),
        ),
    ),
    nudge="Three squares, two players. Which squares does the judge pay, and which the teacher? When one code moves a "
    "little, how does its score move?",
    hint="One function for D that returns the scores and the units. The slope of a mean of (D - t)^2 along the scores "
    "is 2 (D - t) / count. Along v carry it on with the units, along h with v, where units are open, and W.",
    outline="units = np.maximum(x @ W.T + c, 0); score = units @ v, for prior and for h. judge = mean((real - 1)**2) + "
    "mean(made**2); teacher = mean((made - 1)**2); slope_v = 2 * (real - 1) @ units_real / r + 2 * made @ units_made / "
    "n; slope_h = (2 * (made - 1) / n)[:, None] * v * (units_made > 0) @ W.",
)
