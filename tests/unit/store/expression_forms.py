"""Expressions in every form, for comparing engines. Their placeholders stand for the values and names below.

Each is tried on the item below. Those that MiniStack is known to answer otherwise are marked: there the store in memory
follows Amazon's DynamoDB Local. Where that one is known to be otherwise, it follows AWS's documentation.
"""

import re
from typing import Any

ITEM: dict[str, Any] = {
    "n": {"N": "5"},
    "s": {"S": "héllo"},
    "m": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "q"}}}}},
    "l": {"L": [{"N": "1"}, {"S": "a"}]},
    "b": {"BOOL": True},
    "z": {"NULL": True},
    "e": {"M": {}},
}

VALUES: dict[str, dict[str, Any]] = {
    ":0": {"N": "0"},
    ":1": {"N": "1"},
    ":2": {"N": "2"},
    ":5": {"N": "5"},
    ":9": {"N": "9"},
    ":five": {"N": "5.00"},
    ":minus": {"N": "-1E2"},
    ":half": {"N": "-1.5"},
    ":quarter": {"N": "0.25"},
    ":most": {"N": "9" * 38},
    ":huge": {"N": "9.9E125"},
    ":e50": {"N": "1E50"},
    ":t5": {"S": "5"},
    ":h": {"S": "h"},
    ":he": {"S": "hé"},
    ":ll": {"S": "ll"},
    ":N": {"S": "N"},
    ":X": {"S": "X"},
    ":yes": {"BOOL": True},
    ":no": {"BOOL": False},
    ":null": {"NULL": True},
    ":empty": {"M": {}},
    ":list": {"L": [{"N": "3"}]},
    ":map": {"M": {"k": {"N": "1"}}},
    ":ml": {"M": {"y": {"M": {"z": {"S": "q"}}}, "x": {"N": "1.0"}}},
    ":al": {"L": [{"S": "a"}, {"N": "01"}]},
    ":la": {"L": [{"N": "01"}, {"S": "a"}]},
}

NAMES = {
    "#n": "n",
    "#also_n": "n",
    "#m": "m",
    "#x": "x",
    "#dotted": "m.x",
    "#status": "status",
    "#none": "no such attribute",
}

CONDITIONS = """
absent <> :1
NOT absent = :1
absent = :1
absent < :1
absent IN (:1)
absent <> other
absent = other
n = :5
n=:5
n = :five
n <> :t5
n = :t5
n < :9
n <= :5
n > :minus
n >= :t5
:5 = n
:1 < n
s < :he
s > :h
s = :h
b = :yes
b <> :no
z = :null
e = :empty
m = :ml
l = :la
l <> :al
m < l
n < m.x
m.x < n
m . x = :1
m.y.z = :h
m.absent = :1
n.x = :1
l[0] = :1
l[7] = :1
m[0] = :1
#m.#x = :1
m.#x = :1
#dotted = :1
#status = :1
#none = :1
size(n) < :9 !
size(b) < :9 !
size(z) = :1
size(absent) < :9
NOT size(absent) < :9
size(s) = :5
size(m) = :2
size(e) = :0
size(e) < :1
size(l) = :2
size(m) = :t5
size(m) < :t5
size(m) < n
size(:h) = :1 !
size(size(n)) = :1
begins_with(s, :h)
begins_with(s, :5)
begins_with(n, :t5) !
NOT begins_with(n, :t5) !
begins_with(:he, :h) !
begins_with(s, n) !
begins_with(absent, :h)
contains(s, :ll)
contains(s, :1)
contains(l, :1)
contains(l, n)
contains(n, :5)
contains(m, :h)
contains(s, s)
attribute_type(n, :N)
attribute_type(s, :N)
attribute_type(absent, :N)
attribute_type(n, :X) !
attribute_type(n, :1) !
attribute_type(n, s) !
attribute_exists(n)
attribute_exists (n)
attribute_exists(absent)
attribute_exists(m.x)
attribute_exists(n.x)
attribute_exists(l[0])
attribute_not_exists(l[7])
attribute_not_exists(m.#none)
attribute_exists(:h)
attribute_exists(n, s)
attribute_exists(size(n))
Attribute_Exists(n) !
foo(n) !
n BETWEEN :1 AND :9
n BETWEEN :5 AND :5
n BETWEEN :9 AND :1
n BETWEEN :t5 AND :9 !
n BETWEEN :h AND :ll
n BETWEEN m.x AND :9
n BETWEEN n AND :9 !
b BETWEEN :yes AND :yes !
:2 BETWEEN m.x AND n
n IN (:t5, :5)
n IN (:t5, n) !
n IN ()
n = :5 AND s > :h
n = :5 AND n = :1
n = :1 OR n = :5
n = :1 OR n = :2 AND s > :h
(n = :1 OR n = :5) AND s > :h
n = :5 AND NOT (s = :h OR n = :1)
NOT n = :1
NOT NOT n = :5
NOT (NOT n = :5)
not n = :5 or n = :5 and n <> :t5
((n = :5) AND (n = :5))
((n = :5))
(n = :5)
(n) = :5 !
((n)) = :5
n = n !
#n = n !
#n = #also_n !
n < :no !
n < :empty !
n < :list !
n5_ = :1
_n = :1 !
5n = :1
n-x = :1 !
status = :1
m.status = :1
m.Count = :1
absent.missing = :1
n == :5
n = :5 AND
n = :5 n = :5
n = :5 AND s
n
(n)
"""

UPDATES = """
SET x = :1
SET x = :1, y = :2
SET x = n
SET x = (n)
SET x = absent
SET x = n + :1
SET x = n - :9
SET x = :1 + :1
SET x = (n + :1)
SET x = n + m.x
SET x = absent + :1
SET x = s + :1 !
SET x = n + :t5 !
SET x = n + s !
SET x = n + :1 + :1 !
SET x = (n + :1) + :1 !
SET x = :quarter + :half
SET x = :most + :1
SET x = :most + :2 !
SET x = :huge + :huge
SET x = :e50 + :1 !
SET n = :9, x = n
SET n = s, s = n
SET n = n + :1, x = n
SET x = if_not_exists(x, :0) + :5, y = if_not_exists(n, :0) + :5
SET x = if_not_exists(absent, n)
SET x = if_not_exists(absent, other)
SET x = if_not_exists(absent, if_not_exists(other, n))
SET x = if_not_exists((absent), n)
SET x = if_not_exists(:1, n) !
SET x = if_not_exists(absent, n + :1) !
SET x = if_not_exists(absent, :h) + :1 !
SET x = if_not_exists(n)
SET x = list_append(l, :list)
SET x = list_append(:list, l)
SET x = list_append(l, l)
SET x = list_append(if_not_exists(absent, :list), :list)
SET x = list_append(l, :1) !
SET x = list_append(n, l) !
SET x = size(m)
SET x = foo(m)
SET m.x = :9
SET m.#none = :9
SET #m.#x = #m.#x + :1
SET m.x = :9, m.w = :9
SET m.x = :9, m.y.z = m.x
SET m.y.z = :9
SET e.#none = :map
SET m.absent.z = :9
SET absent.z = :9
SET n.z = :9
SET l.z = :9
SET m = :9
SET e = :map
SET m.x = :9, m = :9 !
SET m.y = :9 REMOVE m.y.z !
SET n = :9, n = :9 !
SET #n = :9, #also_n = :9 !
SET n = :9 REMOVE n !
REMOVE n
REMOVE n, s
REMOVE absent
REMOVE m.x
REMOVE m.x, m.y
REMOVE m.absent
REMOVE m.absent.z !
REMOVE absent.z !
REMOVE n.z !
SET m.x = :9 REMOVE m.y
REMOVE absent SET x = :9
SET x = n REMOVE n
ADD n :5
ADD x :5
ADD n :half
ADD n :1, x :1
ADD #n :1
ADD s :5
ADD n :t5
ADD n s !
ADD n n + :1
SET x = :9 ADD n :9 REMOVE absent
set x = :9 add n :9 remove absent
SET x = :1 SET y = :1 !
SET x = :1, !
SET x = :1 y = :1 !
SET x :1 !
SET x = :1 AND :2 !
SET pk = :h
SET pk.x = :h
REMOVE sk
ADD pk :1
SET status = :1
SET m.status = :1
SET #status = :1
SET x = status
x = :1
FOO x :1
"""

type Form = tuple[str, bool]
"""An expression, and whether MiniStack is known to answer otherwise."""


def forms(text: str) -> list[Form]:
    return [(line.removesuffix(" !"), line.endswith(" !")) for line in text.strip().splitlines()]


def placeholders(expression: str) -> dict[str, Any]:
    """The parameters that define what the expression speaks of."""
    values = {name: VALUES[name] for name in re.findall(r":\w+", expression)}
    names = {name: NAMES[name] for name in re.findall(r"#\w+", expression)}
    given: dict[str, Any] = {}
    if values:
        given["ExpressionAttributeValues"] = values
    if names:
        given["ExpressionAttributeNames"] = names
    return given
