#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Read a description in the language of syzkaller, as its public documentation has
# the grammar, without syzkaller: each line is one that there is, each type is known
# and has arguments of its kind, each name is defined once and used, each resource
# comes from somewhere. Writes a C program that only compiles if each constant is in
# the kernel's headers and each struct has the layout of the one that "#C" names.
#
# usage: check.py DESCRIPTION >PROGRAM.c
import re
import sys

INTS = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "intptr": 8, "fd": 4}
NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
CONST = re.compile(r"^[A-Z][A-Z0-9_]*$")
bad = []


def no(nr, text):
    bad.append("%s:%d: %s" % (sys.argv[1], nr, text))


class Type:
    """NAME[ARG, ...]; an argument is a type, a string, or a range of numbers"""

    def __init__(self, name, args):
        self.name, self.args = name, args


def tokens(text):
    return re.findall(r'"[^"]*"|[\[\],:]|[^\s\[\],:"]+', text)


def parse(toks, nr):
    """A type, from a list of tokens that is used up"""
    if not toks:
        no(nr, "a type is missing")
        return Type("?", [])
    name, args = toks.pop(0), []
    if toks and toks[0] == "[":
        toks.pop(0)
        while toks and toks[0] != "]":
            args.append(parse(toks, nr))
            while toks and toks[0] == ":":
                toks.pop(0)
                args.append(parse(toks, nr))
            if toks and toks[0] == ",":
                toks.pop(0)
            elif toks and toks[0] != "]":
                no(nr, "neither a comma nor the end at %s" % toks[0])
                return Type(name, args)
        if not toks:
            no(nr, "no end of [")
        else:
            toks.pop(0)
    return Type(name, args)


def split(text):
    """At commas that are not inside of brackets"""
    out, depth, at = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "[") - (c == "]")
        if c == "," and not depth:
            out.append(text[at:i].strip())
            at = i + 1
    last = text[at:].strip()
    return out + [last] if last else out


resources, flags, structs, unions, defines = {}, {}, {}, {}, {}
includes, calls, consts, used, made, taken = [], {}, {}, set(), set(), set()


def const(name, nr):
    if CONST.match(name):
        if name not in defines:
            consts.setdefault(name, nr)
    elif not re.match(r"^-?(0x[0-9a-fA-F]+|[0-9]+)$", name):
        no(nr, "%s is no constant" % name)


def walk(t, nr, way):
    """Check a type and all in it; way is in, out or inout"""
    arity = {"const": (1, 2), "flags": (1, 2), "len": (1, 2), "bytesize": (1, 2), "ptr": (2, 3),
             "ptr64": (2, 3), "array": (1, 3), "string": (0, 2)}
    if t.name in INTS:
        for arg in t.args:
            const(arg.name, nr)
        return
    if t.name in arity:
        low, high = arity[t.name]
        if not low <= len(t.args) <= high:
            no(nr, "%s with %d arguments" % (t.name, len(t.args)))
            return
    if t.name == "const":
        const(t.args[0].name, nr)
        if len(t.args) == 2 and t.args[1].name not in INTS:
            no(nr, "const[] of no integer: %s" % t.args[1].name)
    elif t.name == "flags":
        used.add(t.args[0].name)
        if t.args[0].name not in flags:
            no(nr, "no flags of the name %s" % t.args[0].name)
    elif t.name in ("len", "bytesize"):
        return
    elif t.name in ("ptr", "ptr64"):
        if t.args[0].name not in ("in", "out", "inout"):
            no(nr, "%s is no direction" % t.args[0].name)
        walk(t.args[1], nr, t.args[0].name)
    elif t.name == "array":
        walk(t.args[0], nr, way)
        for arg in t.args[1:]:
            const(arg.name, nr)
    elif t.name == "string":
        return
    elif t.name in resources:
        used.add(t.name)
        if way != "in":
            made.add(t.name)
        if way != "out":
            taken.add(t.name)
    elif t.name in structs or t.name in unions:
        used.add(t.name)
        for _, field, fnr, fway in (structs.get(t.name) or unions[t.name])["fields"]:
            walk(field, fnr, fway or ("in" if way == "inout" else way))
    else:
        no(nr, "no type of the name %s" % t.name)


def layout(t):
    """Size and alignment; None if it varies"""
    if t.name in INTS:
        return INTS[t.name], INTS[t.name]
    if t.name in ("const", "flags", "len", "bytesize"):
        size = INTS[t.args[1].name] if len(t.args) > 1 else 8
        return size, size
    if t.name in ("ptr", "ptr64"):
        return 8, 8
    if t.name == "array" and len(t.args) == 2:
        size, align = layout(t.args[0])
        return size * int(t.args[1].name, 0), align
    if t.name in resources:
        base = resources[t.name][0]
        return layout(Type(base, [])) if base not in resources else layout(Type(base, []))
    if t.name in structs:
        at = most = 0
        for _, field, _, _ in structs[t.name]["fields"]:
            size, align = layout(field)
            at = (at + align - 1) // align * align + size
            most = max(most, align)
        return (at + most - 1) // most * most, most
    if t.name in unions:
        sizes = [layout(field) for _, field, _, _ in unions[t.name]["fields"]]
        return max(s for s, _ in sizes), max(a for _, a in sizes)
    raise ValueError(t.name)


def read(path):
    inside, of_c = None, None
    for nr, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("#C "):
            of_c = line[3:].strip()
            continue
        if not line.strip() or line.startswith("#"):
            continue
        if inside is not None:
            end = re.match(r"^([}\]])( \[[a-z, 0-9\[\]]+\])?$", line)
            if end:
                if not inside["fields"]:
                    no(nr, "nothing in it")
                inside = None
                continue
            m = re.match(r"^\t(%s)\s+(\S.*?)(?:\s+\((in|out|inout)\))?$" % NAME, line)
            if not m:
                no(nr, "no field: %s" % line)
                continue
            toks = tokens(m.group(2))
            inside["fields"].append((m.group(1), parse(toks, nr), nr, m.group(3)))
            if toks:
                no(nr, "more than a type: %s" % " ".join(toks))
            continue
        m = re.match(r"^include <(\S+)>$", line)
        if m:
            includes.append(m.group(1))
            continue
        m = re.match(r"^define (%s)\s+(\S.*)$" % NAME, line)
        if m:
            defines[m.group(1)] = m.group(2)
            for word in re.findall(NAME, m.group(2)):
                consts.setdefault(word, nr)
            continue
        m = re.match(r"^resource (%s)\[(%s)\](?:: (\S.*))?$" % (NAME, NAME), line)
        if m:
            if m.group(1) in resources:
                no(nr, "%s is there already" % m.group(1))
            if m.group(2) not in INTS and m.group(2) not in resources:
                no(nr, "a resource of %s" % m.group(2))
            resources[m.group(1)] = (m.group(2), nr)
            continue
        m = re.match(r"^(%s) ([{\[])$" % NAME, line)
        if m:
            where = structs if m.group(2) == "{" else unions
            if m.group(1) in structs or m.group(1) in unions:
                no(nr, "%s is there already" % m.group(1))
            inside = where[m.group(1)] = {"fields": [], "c": of_c, "nr": nr}
            of_c = None
            continue
        m = re.match(r"^(%s) = (\S.*)$" % NAME, line)
        if m:
            if m.group(1) in flags:
                no(nr, "%s is there already" % m.group(1))
            flags[m.group(1)] = (split(m.group(2)), nr)
            continue
        m = re.match(r"^(%s\$%s)\((.*)\)(?: (%s))?$" % (NAME, NAME, NAME), line)
        if m:
            if m.group(1) in calls:
                no(nr, "%s is there already" % m.group(1))
            calls[m.group(1)] = (split(m.group(2)), m.group(3), nr)
            continue
        no(nr, "not understood: %s" % line)
    if inside is not None:
        no(nr, "no end of the last struct")


def check():
    for name, (values, nr) in flags.items():
        for value in values:
            const(value, nr)
    for name, (args, ret, nr) in calls.items():
        for arg in args:
            m = re.match(r"^(%s) (\S.*)$" % NAME, arg)
            if not m:
                no(nr, "no argument: %s" % arg)
                continue
            toks = tokens(m.group(2))
            walk(parse(toks, nr), nr, "in")
        if ret:
            if ret not in resources:
                no(nr, "no resource of the name %s" % ret)
            used.add(ret)
            made.add(ret)
    for name, (_, nr) in resources.items():
        if name not in made:
            no(nr, "nothing makes a %s" % name)
        if name not in taken:
            no(nr, "nothing takes a %s" % name)
    for name, nr in [(n, f[1]) for n, f in flags.items()] + \
            [(n, s["nr"]) for n, s in list(structs.items()) + list(unions.items())]:
        if name not in used:
            no(nr, "nothing uses %s" % name)


def program():
    print("/* By fuzz/check.py */")
    for name in includes:
        print("#include <%s>" % name)
    for name, value in defines.items():
        print("#define %s (%s)" % (name, value))
    for name in sorted(consts):
        print("unsigned long long value_of_%s = (unsigned long long)(%s);" % (name, name))
    for name, s in structs.items():
        if not s["c"]:
            continue
        c, at = "struct " + s["c"], 0
        for field, t, _, _ in s["fields"]:
            size, align = layout(t)
            at = (at + align - 1) // align * align
            print('_Static_assert(__builtin_offsetof(%s, %s) == %d, "%s.%s: offset");' % (c, field, at, name, field))
            print('_Static_assert(sizeof(((%s *)0)->%s) == %d, "%s.%s: size");' % (c, field, size, name, field))
            at += size
        print('_Static_assert(sizeof(%s) == %d, "%s: size");' % (c, layout(Type(name, []))[0], name))


read(sys.argv[1])
check()
if not bad:
    program()
print("\n".join(bad), file=sys.stderr, end="\n" if bad else "")
sys.exit(1 if bad else 0)
