"""The words of the built-in pairs: domains, what people ask in them, and the phrases around a question.

Markup of a wording: {a} and {b} are the two parts of the entity, {x} both in a row, {n} a number, and [brackets]
enclose the words that carry what is asked. `demo_pairs.py` turns this into pairs.
"""

from __future__ import annotations

from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@dataclass(frozen=True)
class Intent:
    """One thing to ask, in several wordings. `opposite` names the intent that asks the contrary, word for word."""

    name: str
    wordings: tuple[str, ...]
    opposite: str = ""


@dataclass(frozen=True)
class Domain:
    """Entities are all combinations of a word of `a` and one of `b`; directed ones differ when the two change places.

    Each list holds ten words or more: entities are dealt to the splits in rounds of five, and every word then
    occurs in at least two entities of every split.
    """

    name: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    intents: tuple[Intent, ...]
    directed: bool = False
    numbers: tuple[str, ...] = _words("2 3 4 5 6 7 8 9 10 12 15 20")


CITIES = _words("杭州 苏州 成都 重庆 西安 南京 长沙 武汉 青岛 厦门 大连 昆明 桂林 天津 南宁")

SHOPPING = Domain(
    "shopping",
    _words("无线 蓝牙 运动 儿童 智能 便携 折叠 二手 国产 进口 老人 学生"),
    _words("耳机 手表 手环 音箱 台灯 相机 平板 键盘 水杯 书包 雨伞 风扇"),
    (
        Intent(
            "price",
            (
                "{x}[多少钱]",
                "{x}的[价格]是[多少]",
                "买一个{x}要花[多少钱]",
                "{x}卖什么[价]",
                "{x}[贵]不[贵]，什么[价位]",
            ),
        ),
        Intent(
            "warranty",
            (
                "{x}[保修]多久",
                "{x}的[保修期]有多长",
                "买的{x}能[保修]几年",
                "{x}[质保]时间是多久",
                "{x}坏了多久内[免费修]",
            ),
        ),
        Intent(
            "return",
            (
                "{x}怎么[退货]",
                "买了{x}想[退掉]怎么办",
                "{x}[退货]要什么手续",
                "想把{x}[退]了怎么弄",
                "{x}如何办[退货]",
            ),
        ),
        Intent(
            "choose",
            ("{x}[哪个牌子]好", "{x}[怎么挑]", "想买{x}求[推荐]", "[推荐]一款{x}", "{x}买[什么牌子]的好"),
        ),
        Intent(
            "budget",
            ("{n}块钱能[买]到{x}吗", "预算{n}元[买]{x}够吗", "{x}{n}元[买]得到吗", "手里{n}块想[买]个{x}行不行"),
        ),
        Intent(
            "delivery",
            ("{x}[几天]能[到货]", "{x}下单后[多久]能[收到]", "买{x}[发货]要[几天]", "{x}[什么时候]能[送到]"),
        ),
    ),
    numbers=_words("50 80 100 150 200 300 500 800 1000 1500 2000 3000"),
)


TRAVEL = Domain(
    "travel",
    CITIES,
    _words("动物园 博物馆 海洋馆 植物园 科技馆 图书馆 体育馆 美术馆 火车站 游乐园 古城 温泉"),
    (
        Intent(
            "ticket",
            ("{x}[门票]多少钱", "去{x}玩[票价]是多少", "{x}的[票]贵吗", "{x}成人[票]怎么卖", "进{x}[买票]要多少钱"),
        ),
        Intent(
            "opening",
            (
                "{x}[几点开门]",
                "{x}的[开放时间]是什么",
                "{x}早上[什么时候开]",
                "{x}[营业时间]是几点到几点",
                "{x}[什么时间营业]",
            ),
        ),
        Intent(
            "way",
            ("{x}[怎么走]", "[怎么去]{x}", "去{x}[坐什么车]", "到{x}的[路线]是什么", "{x}坐地铁[怎么到]"),
        ),
        Intent(
            "hotel",
            ("{x}附近有[酒店]吗", "{x}旁边[住]哪里好", "在{x}周围[住宿]求推荐", "{x}附近的[宾馆]哪家好"),
        ),
        Intent(
            "days",
            ("{x}玩{n}[天]够吗", "在{x}待{n}[天]会不会太久", "{x}安排{n}[天]行程行吗", "{n}[天]能逛完{x}吗"),
        ),
        Intent(
            "parking",
            ("{x}能[停车]吗", "开车去{x}[停]哪里", "{x}附近有[停车场]吗", "{x}的[车位]好找吗"),
        ),
    ),
)

ROUTE = Domain(
    "route",
    CITIES,
    CITIES,
    (
        Intent(
            "duration",
            ("从{a}到{b}要[多久]", "{a}去{b}需要[多长时间]", "去{b}从{a}出发得[几个小时]", "{a}开到{b}[多少小时]"),
        ),
        Intent(
            "fare",
            ("从{a}到{b}的[票价]", "{a}去{b}要花[多少钱]", "去{b}从{a}出发[路费]多少", "{a}坐车到{b}[贵不贵]"),
        ),
        Intent(
            "timetable",
            (
                "从{a}到{b}[几点有车]",
                "{a}去{b}的车[几点发]",
                "去{b}从{a}出发的[车几点开]",
                "{a}到{b}的[发车时间]",
            ),
        ),
        Intent(
            "parcel",
            (
                "从{a}[寄快递]到{b}用哪家",
                "{a}的[包裹寄]到{b}走什么",
                "往{b}[寄东西]，人在{a}",
                "{a}[寄包裹]到{b}怎么寄",
            ),
        ),
        Intent(
            "moving",
            ("从{a}[搬家]到{b}怎么弄", "{a}[搬]去{b}该怎么办", "想把家从{a}[搬]到{b}", "家在{a}，想[搬家]到{b}"),
        ),
    ),
    directed=True,
)

SOFTWARE = Domain(
    "software",
    _words("微信 微博 抖音 淘宝 京东 美团 百度 快手 优酷 知乎 豆瓣 钉钉"),
    _words("账号 密码 头像 昵称 记录 收藏 通知 定位 会员 缓存 字体 铃声"),
    (
        Intent(
            "change",
            ("怎么[修改]{x}", "{x}怎么[改]", "{x}在哪里[更改]", "想[换]一下{x}怎么弄", "怎样[更换]{x}"),
        ),
        Intent(
            "restore",
            ("怎么[恢复]{x}", "{x}没了怎么[找回]", "{x}丢了能[找回来]吗", "{x}如何[恢复]", "误删的{x}还能[恢复]吗"),
        ),
        Intent(
            "on",
            ("怎么[打开]{x}", "{x}在哪里[开启]", "{x}如何[开启]", "{x}怎么[打开]才对"),
            opposite="off",
        ),
        Intent(
            "off",
            ("怎么[关闭]{x}", "{x}在哪里[关掉]", "{x}如何[关掉]", "{x}怎么[关闭]才对"),
            opposite="on",
        ),
        Intent(
            "why_able",
            ("{x}为什么[能看到]", "{x}怎么[看得见]", "{x}[显示]是什么原因", "为什么[能看到]{x}"),
            opposite="why_unable",
        ),
        Intent(
            "why_unable",
            ("{x}为什么[不能看到]", "{x}怎么[看不见]", "{x}[不显示]是什么原因", "为什么[不能看到]{x}"),
            opposite="why_able",
        ),
    ),
)

HEALTH = Domain(
    "health",
    _words("孕妇 婴儿 老人 产妇 小孩 学生 司机 胖子 感冒病人 胃病病人 痛风病人 过敏病人"),
    _words("芒果 榴莲 牛奶 鸡蛋 海鲜 菠萝 蜂蜜 羊肉 山药 香蕉 豆腐 红枣"),
    (
        Intent(
            "benefit",
            ("{a}吃{b}有什么[好处]", "{b}对{a}有什么[好处]", "{a}吃{b}[好]在哪里", "给{a}吃{b}有什么[作用]"),
            opposite="harm",
        ),
        Intent(
            "harm",
            ("{a}吃{b}有什么[坏处]", "{b}对{a}有什么[坏处]", "{a}吃{b}[坏]在哪里", "给{a}吃{b}有什么[害处]"),
            opposite="benefit",
        ),
        Intent(
            "why_may",
            ("{a}为什么[能]吃{b}", "{b}为什么{a}[可以]吃", "{a}[可以]吃{b}是什么原因", "{a}[适合]吃{b}的原因"),
            opposite="why_not",
        ),
        Intent(
            "why_not",
            ("{a}为什么[不能]吃{b}", "{b}为什么{a}[不可以]吃", "{a}[不可以]吃{b}是什么原因", "{a}[不适合]吃{b}的原因"),
            opposite="why_may",
        ),
        Intent(
            "cooking",
            ("{a}吃的{b}[怎么做]", "{b}[怎么做]给{a}吃", "给{a}吃{b}有什么[做法]", "{a}的{b}用什么[做法]好"),
        ),
        Intent(
            "dose",
            (
                "{a}一天吃{n}[个]{b}行吗",
                "{b}每天吃{n}[个]{a}受得了吗",
                "{a}吃{n}[个]{b}多不多",
                "给{a}吃{b}{n}[个]够吗",
            ),
        ),
    ),
)

BANKING = Domain(
    "banking",
    _words("工商银行 建设银行 农业银行 招商银行 交通银行 中国银行 光大银行 民生银行 平安银行 华夏银行"),
    _words("信用卡 储蓄卡 房贷 车贷 存折 网银 理财 存款 基金 保险"),
    (
        Intent(
            "open",
            ("{x}怎么[开通]", "想[办]一个{x}要什么手续", "{x}在哪里[办理]", "[办理]{x}要带什么"),
            opposite="cancel",
        ),
        Intent(
            "cancel",
            ("{x}怎么[注销]", "想[销]一个{x}要什么手续", "{x}在哪里[取消]", "[取消]{x}要带什么"),
            opposite="open",
        ),
        Intent(
            "fee",
            ("{x}的[手续费]是多少", "{x}要收多少[手续费]", "{x}[收费]贵不贵", "用{x}[扣费]是多少"),
        ),
        Intent(
            "interest",
            ("{x}的[利息]是多少", "{x}[利率]现在多高", "{x}的[利息]怎么算", "{x}一年有多少[利息]"),
        ),
        Intent(
            "period",
            ("{x}能办{n}[期]吗", "{x}分{n}[期]行不行", "我的{x}改成{n}[期]可以吗", "{n}[期]的{x}好办吗"),
        ),
        Intent(
            "phone",
            ("{x}的[客服电话]", "{x}打什么[电话]问", "{x}人工[客服]怎么找", "怎么联系{x}的[客服]"),
        ),
    ),
)

SCHOOL = Domain(
    "school",
    _words("小学 初一 初二 初三 高一 高二 高三 大一 大二 成人 自考 夜校"),
    _words("语文 数学 英语 物理 化学 生物 历史 地理 政治 美术 音乐 书法"),
    (
        Intent(
            "learn",
            ("{x}怎么[学好]", "怎么[提高]{x}成绩", "{x}有什么好的[学习方法]", "{x}成绩差怎么[提高]"),
        ),
        Intent(
            "books",
            ("{x}用什么[教材]", "{x}买哪本[书]好", "求推荐{x}的[参考书]", "{x}的[教材]哪个版本好"),
        ),
        Intent(
            "exam",
            ("{x}[考试]考什么", "{x}[考题]有哪些", "{x}会[考]哪些内容", "{x}[考试]的范围是什么"),
        ),
        Intent(
            "teacher",
            ("{x}[老师]哪个好", "想找一位{x}[老师]", "{x}[家教]怎么请", "求推荐{x}的[家教]"),
        ),
        Intent(
            "hours",
            ("{x}一周上{n}[节]吗", "{x}每周{n}[节]课够不够", "一周{n}[节]{x}多不多", "{x}课{n}[节]是不是太少"),
        ),
        Intent(
            "join",
            ("{x}班怎么[报名]", "想[报]{x}班要什么手续", "{x}班在哪里[报名]", "[报名]{x}班要带什么"),
            opposite="leave",
        ),
        Intent(
            "leave",
            ("{x}班怎么[退课]", "想[退]{x}班要什么手续", "{x}班在哪里[退课]", "[退课]{x}班要带什么"),
            opposite="join",
        ),
    ),
)

GAMES = Domain(
    "games",
    _words("刺客 战士 法师 射手 坦克 猎人 牧师 道士 忍者 骑士 弓手 武士"),
    _words("皮肤 装备 坐骑 宠物 武器 翅膀 技能 称号 时装 戒指 勋章 护甲"),
    (
        Intent(
            "get",
            ("{x}怎么[获得]", "{x}在哪里[刷]", "哪里能[得到]{x}", "{x}要怎么[拿到]"),
        ),
        Intent(
            "best",
            ("{x}哪个[最好]", "{x}[最强]的是什么", "[最厉害]的{x}是哪个", "{x}选什么[最好]"),
        ),
        Intent(
            "upgrade",
            ("{x}怎么[升级]", "{x}如何快速[升级]", "怎么给{x}[强化]", "{x}[强化]的方法"),
        ),
        Intent(
            "sell",
            ("{x}怎么[卖]", "{x}想[卖掉]去哪里", "{x}怎么[出售]", "在哪里[卖]{x}"),
            opposite="buy",
        ),
        Intent(
            "buy",
            ("{x}怎么[买]", "{x}想[买到]去哪里", "{x}怎么[购买]", "在哪里[买]{x}"),
            opposite="sell",
        ),
        Intent(
            "level",
            ("{x}升到{n}[级]要多久", "{x}多久能到{n}[级]", "{n}[级]的{x}要练多长时间", "{x}练到{n}[级]慢不慢"),
        ),
    ),
)

COOKING = Domain(
    "cooking",
    _words("红烧 清蒸 糖醋 麻辣 凉拌 油炸 爆炒 清炖 五香 酸菜 香煎 蒜蓉"),
    _words("排骨 鲤鱼 茄子 豆腐 鸡翅 牛肉 土豆 虾仁 羊肉 莲藕 白菜 猪蹄"),
    (
        Intent(
            "recipe",
            ("{x}[怎么做]", "{x}的[做法]", "{x}[怎么烧]才好吃", "想学{x}的[家常做法]", "[教]我[做]{x}"),
        ),
        Intent(
            "time",
            ("{x}要做[多久]", "{x}需要[多长时间]", "{x}[几分钟]能熟", "做{x}要[多少时间]"),
        ),
        Intent(
            "ingredients",
            ("{x}要放什么[调料]", "做{x}用哪些[配料]", "{x}的[材料]有哪些", "{x}需要准备什么[食材]"),
        ),
        Intent(
            "calories",
            ("{x}[热量]高吗", "吃{x}会[胖]吗", "{x}是不是容易[长胖]", "{x}有多少[热量]"),
        ),
        Intent(
            "people",
            ("{n}[个人]吃{x}做多少", "{x}够{n}[个人]吃吗", "做{n}[人份]的{x}要多少料", "{x}按{n}[人份]做放多少料"),
        ),
        Intent(
            "keep",
            ("{x}能[放]几天", "{x}[保存]得了几天", "吃剩的{x}可以[放]多久", "{x}放冰箱能[保存]多久"),
        ),
    ),
)

DOMAINS = (SHOPPING, TRAVEL, ROUTE, SOFTWARE, HEALTH, BANKING, SCHOOL, GAMES, COOKING)

OPENINGS = (
    "",
    "",
    "请问",
    "请问一下，",
    "我想问问",
    "想知道",
    "求助，",
    "大家好，",
    "有谁知道",
    "问一下",
    "急，",
    "朋友问",
)
CLOSINGS = ("", "", "？", "？谢谢", "呢", "呢？", "啊", "，求解答", "，在线等", "，谢谢", "！", "，急")
FILLERS = ("其实", "到底", "那个", "这个", "现在", "一般", "大概", "就是")
# How people write the same small number, and the same word, in another way.
NUMERALS = {"2": "两", "3": "三", "4": "四", "5": "五", "6": "六", "7": "七", "8": "八", "9": "九", "10": "十"}
SYNONYMS = {
    "怎么": "咋",
    "什么": "啥",
    "哪里": "哪儿",
    "多少": "几多",
    "可以": "能够",
    "需要": "得",
    "附近": "周边",
    "如何": "怎样",
}
# Slips of the hand between characters that sound alike: written often, and they change no meaning.
TYPOS = {"吗": "嘛", "呢": "尼", "么": "末", "请": "清", "问": "闻", "的": "得", "在": "再", "想": "相", "做": "作"}
