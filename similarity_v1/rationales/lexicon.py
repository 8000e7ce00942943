"""Small word lists: words of little content, negations, numbers, synonyms.

They are meant for questions as people type them, in Chinese characters or English words, and for nothing finer. A word
is looked up in its plain form (`plain_form`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# Characters that ask, point, link, soften or hold a sentence together. What is written with these alone says little.
LITTLE = frozenset(
    "的地得了着过吗呢么吧啊呀嘛哦啦呗咋嘞哇喔儿"  # particles
    "什怎如何哪谁几多少样为啥"  # questions
    "我你他她它们您咱俩这那个些其此该某每另各己自"  # pronouns and pointers
    "是有在把被给让用从到对和与跟及或就都也还很太最更真而且但却虽则并之使令于以因所由方出去来起见"  # links
    "可能会要想应该需请求问诉告知道帮忙谢希望麻烦急线跪等推荐觉"  # wishes and politeness
    "里时候上下一不没无再又才便正常总已曾刚竟究般现在"  # places, times, degrees
    "做弄搞办带找取打说写作成看叫好人"  # verbs and nouns that take their meaning from others
    "意思原区别比较适合喜欢"  # the frames of questions: what does it mean, what is the difference
)
ENGLISH = (
    "a an the of to in on at by for with from as and or but if so than then that this these those it its he his him "
    "she her they their them we our us you your i my me is are was were be been being am do does did done has have had "
    "can could will would should may might must what which who whom whose when where why how there here some any very "
    "just about into over up down out off while also too please get got"
)
LITTLE_ENGLISH = frozenset(ENGLISH.split())
NEGATIONS = frozenset([*"不没无别未非勿莫", "没有", "不要", "no", "not", "never", "without", "nobody", "none"])
ENGLISH_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS = {
    **{digit: int(digit) for digit in "0123456789"},
    **{digit: value for value, digit in enumerate("零一二三四五六七八九十")},
    **{"两": 2, "〇": 0, "百": 100, "千": 1000, "万": 10000},
    **{word: value for value, word in enumerate(ENGLISH_NUMBERS)},
}
# The commonest characters of written Chinese, commonest first: the earlier, the less a character says.
COMMON = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成"
    "方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工"
    "使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表"
    "化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结"
    "反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难"
    "且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运"
)
COMMONNESS = {character: rank for rank, character in enumerate(COMMON)}

# Synonyms in these contexts; the first of a group is the commonest.
SYNONYMS = (
    ("怎么", "如何", "怎样", "咋"), ("什么", "啥"), ("为什么", "为何", "为啥"), ("哪里", "哪儿", "何处"),
    ("什么时候", "何时"), ("谁", "哪位"), ("可以", "能", "能够"), ("喜欢", "喜爱"), ("漂亮", "好看", "美丽"),
    ("办法", "方法"), ("便宜", "实惠"), ("原因", "缘故"), ("介绍", "推荐"), ("开通", "启用"), ("关闭", "停用"),
    ("购买", "买", "购"), ("出售", "卖", "售"), ("寻找", "找", "寻"), ("告诉", "告知"), ("帮助", "帮忙", "帮"),
    ("孩子", "小孩", "娃"), ("妈妈", "母亲"), ("爸爸", "父亲"), ("妻子", "老婆"), ("丈夫", "老公"),
    ("费用", "花费"), ("多久", "多长时间"), ("现在", "目前"), ("非常", "十分", "特别"), ("吃", "食用"),
    ("电脑", "计算机"), ("手机", "移动电话"), ("照片", "相片"), ("治疗", "医治"), ("修理", "维修"), ("挣", "赚"),
    ("buy", "purchase"), ("begin", "start"), ("big", "large"), ("quick", "fast"), ("child", "kid"), ("help", "assist"),
)  # fmt: skip
# Characters that are typed for one another, since they sound or look alike.
LOOKALIKES = (
    "帐账", "他她它", "做作坐", "在再", "的得地", "那哪", "己已", "象像", "请情清", "问闻", "题提", "话活", "处外",
    "元园", "费废", "号好", "钱前", "定订", "度渡", "即既", "须需", "住往", "城诚", "电店", "视是", "机几", "样洋",
    "药要", "考烤",
)  # fmt: skip
PARTICLES = tuple("的了呢吗啊呀吧嘛哦")
FILLERS = ("请问", "到底", "其实", "一般", "那么", "究竟")


def plain_form(word: str) -> str:
    """A word as it is compared: compatibility forms, case and punctuation aside; "" for punctuation alone."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(char for char in folded if unicodedata.category(char)[0] not in "PZCS")


def is_function_word(form: str) -> bool:
    """Whether a plain form carries next to no content: punctuation, function words, question words, politeness."""
    return form in LITTLE_ENGLISH or all(character in LITTLE for character in form)


def rarity(form: str) -> int:
    """Higher for words that are rarer in any text: the rank of the rarest character, the highest for unlisted ones."""
    return max((COMMONNESS.get(character, len(COMMONNESS)) for character in form), default=0)


def numbers_by_word(groups: Iterable[Iterable[str]]) -> dict[str, int]:
    """word -> the number of its group."""
    return {word: number for number, group in enumerate(groups) for word in group}


SYNONYM_GROUP = numbers_by_word(SYNONYMS)
LOOKALIKE_GROUP = numbers_by_word(LOOKALIKES)
