"""The names of things on the pages, in English and Chinese side by side. A page holds both and shows one."""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    en: str
    zh: str


class Figure(NamedTuple):
    """A column of the rationale table: its name, what it means, and how its numbers are printed."""

    name: Text
    meaning: Text
    form: str = ".3f"


SETS = {"dev": Text("dev", "开发集"), "test": Text("test", "测试集")}

LABELS = {1: Text("same meaning", "意思相同"), 0: Text("different meaning", "意思不同")}

FIGURES = {
    "token_f1": Figure(
        Text("token-F1", "词 F1"),
        Text("agreement of the chosen words with the gold ones", "所选词与标准依据的一致程度"),
    ),
    "iou_f1": Figure(
        Text("IOU-F1", "IOU-F1"),
        Text("share of sentences whose overlap with gold is at least one half", "与标准依据重合至少一半的句子比例"),
    ),
    "auprc": Figure(
        Text("AUPRC", "AUPRC"),
        Text("area under precision and recall of the scores against gold", "词得分对标准依据的查准率—查全率曲线下面积"),
    ),
    "map": Figure(
        Text("MAP", "MAP"),
        Text(
            "how well a perturbed row keeps the order of importance of its source row",
            "扰动后的句对保持重要性次序的程度",
        ),
    ),
    "map_without_repeats": Figure(
        Text("MAP, no repeats", "MAP（去重）"), Text("the same with every index counted once", "每个位置只计一次的 MAP")
    ),
    "label_agreement": Figure(
        Text("labels agree", "标签一致"), Text("share of perturbed rows that keep the label", "扰动后标签不变的比例")
    ),
    "sufficiency": Figure(
        Text("sufficiency", "充分性"),
        Text("probability lost when only the chosen words stay; lower is better", "只保留所选词时概率的下降；越低越好"),
    ),
    "comprehensiveness": Figure(
        Text("comprehensiveness", "完备性"),
        Text("probability lost when the chosen words go; higher is better", "去掉所选词时概率的下降；越高越好"),
    ),
    "aopc_sufficiency": Figure(
        Text("AOPC suff.", "AOPC 充分性"),
        Text("sufficiency, mean over several shares of words", "多种比例下充分性的平均"),
    ),
    "aopc_comprehensiveness": Figure(
        Text("AOPC comp.", "AOPC 完备性"),
        Text("comprehensiveness, mean over several shares of words", "多种比例下完备性的平均"),
    ),
    "new_p": Figure(
        Text("New_P", "New_P"),
        Text(
            "share of rows that keep their label with the chosen words alone and lose it without them",
            "仅凭所选词标签不变、去掉后改变的句对比例",
        ),
    ),
    "decision_flip": Figure(
        Text("decision flips", "判断翻转"),
        Text("share of labels that change without the chosen words", "去掉所选词后标签改变的比例"),
    ),
    "accuracy": Figure(Text("accuracy", "准确率"), Text("labels of these rows", "这些句对的标签")),
    "macro_f1": Figure(
        Text("macro-F1", "宏平均 F1"), Text("labels of these rows, mean over the classes", "这些句对的标签，各类平均")
    ),
    "share_chosen": Figure(
        Text("share chosen", "所选比例"), Text("distinct words chosen, of all words", "所选的不同词占全部词的比例")
    ),
    "rows_with_repeated_index": Figure(
        Text("rows with repeats", "含重复的行"), Text("rows that name a word twice", "同一词出现两次的行数"), ".0f"
    ),
}

SYSTEMS = {
    "raw": Text("as the attribution chose", "按归因得分直接选出"),
    "original": Text("f1 f2 f3; copies answers between rows", "f1 f2 f3；在句对间复制答案"),
    "clean": Text("label-aware; copies nothing", "依标签整理；不复制"),
    "all_words": Text("every word in order", "依次取全部词"),
    "first_share": Text("the first share of the words", "取开头的一部分词"),
    "random": Text("same size, random; mean of 5 draws", "同样多的随机词；五次平均"),
    "overlap": Text("words that the other sentence has too", "两句共有的词"),
}

CURVE_TITLES = {
    "masked_lm_loss": Text("Masked-LM loss", "掩码语言模型损失"),
    "perplexity": Text("Masked-LM perplexity", "掩码语言模型困惑度"),
    "loss": Text("Loss", "损失"),
    "dev_scores": Text("Dev scores", "开发集得分"),
}
TRAINING, HELD_OUT = Text("training", "训练"), Text("held out", "留出")
CURVES = {  # stage -> picture -> key in metrics.jsonl -> name of the line
    "posttrain": {
        "masked_lm_loss": {"loss": TRAINING, "held_out_loss": HELD_OUT},
        "perplexity": {"held_out_perplexity": HELD_OUT},
    },
    "similarity_v0": {
        "loss": {"loss": TRAINING, "dev_loss": Text("dev", "开发集")},
        "dev_scores": {"dev_accuracy": Text("accuracy", "准确率"), "dev_f1": Text("F1", "F1")},
    },
}

PICTURES = {
    "methods": Text("Agreement of methods", "各方法的一致性"),
    "methods_below": Text(
        "rank correlation of the word scores, mean over sentences; 1: the same order",
        "词得分的秩相关，按句平均；1 表示次序相同",
    ),
    "chains": Text("Agreement of chains", "各链的一致性"),
    "chains_below": Text(
        "words chosen by both, of those chosen by either, mean over sentences", "两链共同所选占任一所选的比例，按句平均"
    ),
    "shares": Text("Share chosen", "所选比例"),
    "shares_below": Text(
        "per cent of the words of a sentence across, share of the sentences upwards",
        "横轴为句中所选词的百分比，纵轴为句子比例",
    ),
}
