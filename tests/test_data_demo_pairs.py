"""The built-in pairs: reproducible, balanced, disjoint between splits, not to be solved by overlap, gold in place."""

import random
from collections import Counter

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from final_project.data.demo import grammar
from final_project.data.demo.meanings import ALL_ROLES, conflicting_roles, entity_split, frame_split, frame_text
from final_project.data.demo.pairs import N_DEV, N_PERTURBED, N_SOURCE_ROWS, build_demo
from final_project.data.demo.sentences import PERTURBATIONS, Piece, join_pieces
from final_project.data.quality.fingerprints import fingerprints
from final_project.data.quality.overlap_baseline import overlap_baseline
from final_project.data.quality.statistics import describe, overlaps

SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def demo():
    return build_demo(8000, 2022)


@pytest.mark.stage
def test_the_same_seed_gives_the_same_pairs_and_another_seed_others(demo):
    again = build_demo(8000, 2022)
    assert (again.train, again.dev, again.test) == (demo.train, demo.dev, demo.test)
    assert (again.gold, again.segmented, again.pair_map) == (demo.gold, demo.segmented, demo.pair_map)
    assert build_demo(100, 2023).test != demo.test


def test_dev_and_test_do_not_depend_on_the_size_of_train(demo):
    small = build_demo(200, 2022)
    assert (small.dev, small.test, small.gold) == (demo.dev, demo.test, demo.gold)
    assert len(small.train) == 200


def test_the_splits_have_their_sizes_and_half_of_each_label(demo):
    assert (len(demo.train), len(demo.dev), len(demo.test)) == (8000, N_DEV, N_SOURCE_ROWS + N_PERTURBED)
    for pairs in (demo.train, demo.dev, demo.source_pairs):
        assert describe(fingerprints(pairs))["positive_share"] == 0.5
    assert 0.45 < describe(fingerprints(demo.test))["positive_share"] < 0.55


def test_no_pair_repeats_contradicts_or_has_identical_sides(demo):
    for pairs in (demo.train, demo.dev, demo.test):
        facts = describe(fingerprints(pairs))
        assert (facts["duplicates"], facts["contradicting"], facts["identical_sides"]) == (0, 0, 0)


def test_the_splits_share_no_entity_no_frame_and_no_sentence(demo):
    entities, frames = {}, {}
    for split in SPLITS:
        made = demo.made[split]
        entities[split] = {meaning.entity for row in made for meaning in row.meanings}
        frames[split] = {
            frame_text(meaning.domain, meaning.intent, frame)
            for row in made
            for meaning, frame in zip(row.meanings, row.frames, strict=True)
        }
        assert {entity_split(meaning) for row in made for meaning in row.meanings} == {split}
        assert {frame_split(text) for text in frames[split]} == {split}
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert entities[first].isdisjoint(entities[second])
        assert frames[first].isdisjoint(frames[second])
    splits = {"train": demo.train, "dev": demo.dev, "test": demo.test}
    for facts in overlaps({name: fingerprints(pairs) for name, pairs in splits.items()}).values():
        assert facts["sharing_a_sentence"] == 0


def test_every_character_to_be_judged_was_seen_in_training(demo):
    seen = {char for pair in demo.train for char in pair.sentence1 + pair.sentence2}
    assert {char for pair in demo.dev + demo.test for char in pair.sentence1 + pair.sentence2} <= seen


def test_character_overlap_does_not_solve_it(demo):
    accuracies = overlap_baseline(demo.train, dev=demo.dev, test=demo.test)
    assert 0.55 <= accuracies["dev_accuracy"] <= 0.72
    assert 0.55 <= accuracies["test_accuracy"] <= 0.72


@pytest.mark.parametrize("side", ["sentence1", "sentence2"])
def test_one_side_alone_does_not_predict_the_label(demo, side):
    model = make_pipeline(CountVectorizer(analyzer="char", ngram_range=(1, 2)), LogisticRegression(max_iter=300, C=0.3))
    model.fit([getattr(pair, side) for pair in demo.train], [pair.label for pair in demo.train])
    held_out = demo.dev + demo.source_pairs
    score = model.score([getattr(pair, side) for pair in held_out], [pair.label for pair in held_out])
    assert 0.45 < score < 0.55


def test_the_difference_in_length_hardly_predicts_the_label(demo):
    def difference(pairs):
        return [[abs(len(pair.sentence1) - len(pair.sentence2))] for pair in pairs]

    model = LogisticRegression().fit(difference(demo.train), [pair.label for pair in demo.train])
    assert model.score(difference(demo.dev), [pair.label for pair in demo.dev]) < 0.6


def test_segments_are_characters_that_join_to_the_pair(demo):
    for number, (row, pair) in enumerate(zip(demo.segmented, demo.test, strict=True), start=1):
        assert row.id == number
        assert (
            ("".join(row.words_q), "".join(row.words_t)) == (pair.sentence1, pair.sentence2) == (row.query, row.title)
        )
        assert all(len(word) == 1 for word in row.words_q + row.words_t)


def test_gold_is_in_range_in_order_and_on_both_sides(demo):
    for row, pair in zip(demo.gold, demo.test, strict=True):
        assert row.label == pair.label
        for (chosen,), words in ((row.sets_q, row.words_q), (row.sets_t, row.words_t)):
            assert chosen and list(chosen) == sorted(set(chosen))
            assert set(chosen) <= set(range(len(words)))


def test_gold_never_marks_an_opening_a_closing_or_a_filler(demo):
    for row, gold in zip(demo.made["test"], demo.gold, strict=False):
        for sentence, (chosen,) in zip(row.sentences, (gold.sets_q, gold.sets_t), strict=True):
            start = 0
            for piece in sentence:
                span = set(range(start, start := start + len(piece.text)))
                assert span <= set(chosen) if piece.role in row.gold_roles else span.isdisjoint(chosen)


def test_gold_of_a_negative_is_what_differs(demo):
    kinds = Counter()
    for row, gold in zip(demo.made["test"], demo.gold, strict=False):
        first, second = row.meanings
        if row.label:
            assert row.gold_roles == ALL_ROLES and first == second
            continue
        roles = conflicting_roles(first, second)
        kinds[first.domain is second.domain, tuple(sorted(roles))] += 1
        if roles == {"a"}:
            words = [
                "".join(words[k] for k in chosen[0])
                for words, chosen in ((gold.words_q, gold.sets_q), (gold.words_t, gold.sets_t))
            ]
            assert words == [first.entity[1], second.entity[1]] and words[0] != words[1]
    for roles in ("a", "b", "ask", "n"):
        assert kinds[True, (roles,)] > 0
    assert kinds[True, ("a", "b")] > 0 and sum(kinds[key] for key in kinds if not key[0]) > 0


def test_a_reversed_route_is_a_negative_that_marks_both_ends(demo):
    reversed_routes = [
        row
        for row in demo.made["train"]
        if row.meanings[0].domain.directed
        and (row.meanings[0].a, row.meanings[0].b) == (row.meanings[1].b, row.meanings[1].a)
    ]
    assert len(reversed_routes) > 20
    for row in reversed_routes:
        assert row.label == 0 and {"a", "b"} <= row.gold_roles


def test_perturbed_rows_keep_label_and_gold_words_and_change_the_text(demo):
    gold = {row.id: row for row in demo.gold}
    assert len(demo.pair_map) == N_PERTURBED == len({perturbed for _, perturbed in demo.pair_map})
    changed_gold = 0
    for original, twin in demo.pair_map:
        one, two = gold[original], gold[twin]
        assert (one.sample_type, two.sample_type) == ("ori", "disturb")
        assert one.rel_ids == (twin,) and two.rel_ids == ()
        assert one.label == two.label
        assert (one.words_q, one.words_t) != (two.words_q, two.words_t)
        sides = ((one.words_q, one.sets_q, two.words_q, two.sets_q), (one.words_t, one.sets_t, two.words_t, two.sets_t))
        for words1, sets1, words2, sets2 in sides:
            marked = "".join(words1[k] for k in sets1[0]), "".join(words2[k] for k in sets2[0])
            changed_gold += marked[0] != marked[1]
    # only a synonym or a slip inside the words that carry what is asked may change them
    assert changed_gold < 0.4 * N_PERTURBED
    assert sum(bool(row.rel_ids) for row in demo.gold) == N_PERTURBED


@pytest.mark.parametrize("perturb", PERTURBATIONS, ids=lambda function: function.__name__)
def test_a_perturbation_changes_the_text_and_leaves_entity_and_number(perturb):
    rng = random.Random(1)
    sentence = (Piece("请问"), Piece("怎么"), Piece("退", "ask"), Piece("蓝牙", "a"), Piece("耳机", "b"), Piece("？"))
    for _ in range(20):
        after = perturb(rng, sentence)
        assert join_pieces(after) != join_pieces(sentence)
        kept = [piece for piece in after if piece.role in ("a", "b", "n")]
        assert kept == [Piece("蓝牙", "a"), Piece("耳机", "b")]
        assert any(piece.role == "ask" for piece in after)


def test_every_domain_is_well_formed():
    names = [domain.name for domain in grammar.DOMAINS]
    assert len(set(names)) == len(names)
    for domain in grammar.DOMAINS:
        assert min(len(set(domain.a)), len(set(domain.b))) >= 10
        intents = {intent.name: intent for intent in domain.intents}
        assert len(intents) == len(domain.intents)
        for intent in domain.intents:
            assert isinstance(intent.name, str), "YAML takes a bare on or off for a truth value"
            for wording in intent.wordings:
                assert "[" in wording and wording.count("[") == wording.count("]")
                assert "{x}" in wording or ("{a}" in wording and "{b}" in wording)
                assert ("{n}" in wording) == ("{n}" in intent.wordings[0])
            assert len(set(intent.wordings)) == len(intent.wordings)
            if intent.opposite:
                contrary = intents[intent.opposite]
                assert contrary.opposite == intent.name
                assert len(contrary.wordings) == len(intent.wordings)
