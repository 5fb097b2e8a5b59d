"""Triplets and the probe of exercise 03: the tasks with what helps when a solution is not right yet."""

from __future__ import annotations

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import adversarial_mistakes as mistake
from xmr_lib.course.tasks.adversarial_by_hand import modality_probe, semi_hard_triplets
from xmr_lib.course.tasks.adversarial_cases import probe_cases, triplet_cases
from xmr_lib.course.tasks.sees import holds, not_finite

TRIPLETS = Task(
    id="03.semi_hard_triplets",
    signature="semi_hard_triplets(anchors (n, d), others (n, d), classes (n,), margin) -> float, 0 or more",
    difficulty=3,
    minutes=25,
    reference=semi_hard_triplets,
    cases=triplet_cases,
    diagnoses=(
        *(
            Diagnosis(
                "the lesson's function",
                "this is a triplet loss of the lesson, which takes all negatives or the nearest of all. The task asks "
                "for semi_hard_triplets: from embeddings, for every anchor the nearest negative behind its partner.",
                arguments=arguments,
            )
            for arguments in (
                ("distances", "classes", "margin"),
                ("distances", "classes", "margin", "lam"),
                ("image", "text", "classes", "margin", "form", "lam"),
            )
        ),
        Diagnosis(
            "no negatives",
            "a batch of one class has no negatives, and the mean of nothing is not a number. The loss is 0 then.",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "hardest negative",
            "these are the hardest negatives: the nearest of all, even in front of the partner. "
            "Semi-hard is the nearest among those farther away than the partner.",
            mistake.triplets(lambda negatives, partner: float(negatives.min())),
        ),
        Diagnosis(
            "all negatives",
            "this is the mean over all negatives of the batch. Take one negative per anchor.",
            mistake.all_negatives,
        ),
        Diagnosis(
            "pull and push",
            "partners are pulled and negatives pushed apart from each other, as in the paper's form of the lesson. A "
            "triplet compares the two: max(0, margin + d_partner - d_negative).",
            mistake.pull_and_push,
        ),
        Diagnosis(
            "no fallback",
            "an anchor whose negatives are all nearer than its partner counts 0. These are the anchors that need the "
            "loss most: take their farthest negative.",
            mistake.triplets(mistake.semi_hard_only),
        ),
        Diagnosis(
            "anchors left out",
            "an anchor whose negatives are all nearer than its partner is left out. Take its farthest negative "
            "instead.",
            mistake.triplets(mistake.semi_hard_only, none=None),
        ),
        Diagnosis(
            "fallback to the hardest",
            "when no negative is behind the partner, the nearest one is taken. Take the farthest: the least hard.",
            mistake.triplets(
                lambda negatives, partner: float(
                    negatives[negatives > partner].min() if (negatives > partner).any() else negatives.min()
                )
            ),
        ),
        Diagnosis(
            "easiest negative",
            "of the negatives behind the partner the farthest is taken, which teaches least. Take the nearest.",
            mistake.triplets(lambda negatives, partner: float(negatives.max())),
        ),
        Diagnosis(
            "same class too",
            "items of the anchor's own class are pushed away. Negatives are of another class; own class and not the "
            "partner means neither.",
            mistake.triplets(rivals=mistake.not_the_partner),
        ),
        Diagnosis(
            "distances not squared",
            "these are Euclidean distances. The task takes their squares, so the margin means something else.",
            mistake.triplets(squared=False),
        ),
        Diagnosis(
            "no hinge",
            "easy triplets give negative values and hide the hard ones. Cut each at 0 before the mean.",
            mistake.triplets(hinge=False),
        ),
        Diagnosis(
            "summed",
            "the hinges are summed. Take the mean over the anchors, else the loss grows with the batch.",
            mistake.triplets(total=sum),
        ),
        Diagnosis(
            "margin forgotten",
            "the margin is not used: max(0, margin + d_partner - d_negative).",
            lambda anchors, others, classes, margin: semi_hard_triplets(anchors, others, classes, 0.0),
        ),
    ),
    nudge="Stand at an anchor and look outwards: first come hard negatives, then the partner, then everything behind "
    "it. Which negative is the first behind the partner? And if there is none?",
    hint="One row of the distance matrix at a time: `row[i]` is the partner, `row[classes != classes[i]]` are the "
    "negatives, and `negatives[negatives > row[i]]` those behind it. That may be empty.",
    outline="Squared distances (n, n); for every anchor the minimum of those behind the partner, or the maximum of "
    "all when none is; hinge max(0, margin + partner - negative); mean of the hinges; 0.0 for a batch of one class.",
)


PROBE = Task(
    id="03.modality_probe",
    signature="modality_probe(train (n, d), train_modality (n,), test (m, d), test_modality (m,)) -> float in 0..1",
    difficulty=2,
    minutes=15,
    reference=modality_probe,
    cases=probe_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's modality_loss, which needs the scores of the trained discriminator. The task asks "
            "for modality_probe: a judge of its own that has seen other items.",
            arguments=("image_logits", "text_logits"),
        ),
        Diagnosis(
            "error rate",
            "this is the share of wrong answers, or the farther mean wins. Count how often the nearer mean is the "
            "right one: 1 says that the modalities are easy to tell apart.",
            mistake.probe(finish=lambda share: 1 - share),
        ),
        Diagnosis(
            "turned round",
            "values below one half were turned into values above. A probe that is wrong on unseen items is just "
            "wrong: leave the share as it is.",
            mistake.probe(finish=lambda share: max(share, 1 - share)),
        ),
        Diagnosis(
            "not balanced",
            "this is the share over all test items. With four texts per image a probe that always says text has .8: "
            "take the share of each modality, then the mean of the two.",
            mistake.probe(balanced=False),
        ),
        Diagnosis(
            "ties count 1",
            "an item as near to one mean as to the other counts as right. It counts one half: the probe can only "
            "guess.",
            mistake.probe(tie=1.0),
        ),
        Diagnosis(
            "ties count 0",
            "an item as near to one mean as to the other counts as wrong. It counts one half: the probe can only "
            "guess.",
            mistake.probe(tie=0.0),
        ),
        Diagnosis(
            "means of the test items",
            "the means are those of the unseen items, so the probe knows them already. Take the training items.",
            mistake.probe_of_itself,
        ),
        Diagnosis(
            "tested on the training items",
            "the probe is tried on the items it was made from. Classify the unseen items.",
            mistake.probe_of_training,
        ),
        Diagnosis(
            "dot product",
            "the larger dot product with a mean wins, so the longer mean wins nearly always. Compare distances.",
            mistake.probe(dot=True),
        ),
    ),
    nudge="The discriminator of the training has been fooled, which proves little: it may just be a bad judge. Which "
    "two points describe the modalities best, and which items must the judge not have seen?",
    hint="Two means, over the training images and over the training texts. For every test item: distance to the mean "
    "of its own modality minus distance to the other, rounded to nine digits; its sign decides.",
    outline="Means of train[train_modality == m]; squared distances of test to both; 1 where the own one is smaller, "
    "1/2 where both agree to nine digits, else 0; np.mean over each modality, then the mean of the two.",
)
