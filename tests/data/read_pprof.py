#!/usr/bin/env python3
"""Reads a pprof profile without any library: the wire format of protocol buffers by hand, the fields by google/pprof's
profile.proto. Checks what every reader relies on and prints a summary as JSON; what is wrong is listed under "wrong"."""

import gzip
import json
import sys

# Numbers of profile.proto: message Profile and its parts.
PROFILE = {1: "sample_type", 2: "sample", 3: "mapping", 4: "location", 5: "function", 6: "string_table", 9: "time_nanos",
           10: "duration_nanos", 11: "period_type", 12: "period", 13: "comment", 14: "default_sample_type"}
VALUE_TYPE = {1: "type", 2: "unit"}
SAMPLE = {1: "location_id", 2: "value", 3: "label"}
LABEL = {1: "key", 2: "str", 3: "num", 4: "num_unit"}
MAPPING = {1: "id", 2: "memory_start", 3: "memory_limit", 4: "file_offset", 5: "filename", 6: "build_id",
           7: "has_functions", 8: "has_filenames", 9: "has_line_numbers", 10: "has_inline_frames"}
LOCATION = {1: "id", 2: "mapping_id", 3: "address", 4: "line", 5: "is_folded"}
LINE = {1: "function_id", 2: "line", 3: "column"}
FUNCTION = {1: "id", 2: "name", 3: "system_name", 4: "filename", 5: "start_line"}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if shift > 70:
                raise ValueError("a varint of more than ten bytes")
            return value, at


def signed(value):
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def message(data, fields):
    """Field name to the list of its values, in their order: integers and bytes. Unknown fields are an error."""
    found = {name: [] for name in fields.values()}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            if len(value) != length:
                raise ValueError(f"field {number} is cut off")
        else:
            raise ValueError(f"field {number} has wire type {wire}, profile.proto uses none such")
        if number not in fields:
            raise ValueError(f"there is no field {number}")
        found[fields[number]].append(value)
    return found


def integers(values):
    """A repeated integer, packed or not."""
    flat = []
    for value in values:
        if isinstance(value, int):
            flat.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = varint(value, at)
            flat.append(number)
    return flat


def one(found, name):
    return found[name][-1] if found[name] else 0


def main(path):
    with open(path, "rb") as file:
        compressed = file.read()
    if compressed[:2] != b"\x1f\x8b":
        raise ValueError("not gzip")
    profile = message(gzip.decompress(compressed), PROFILE)
    wrong = []
    strings = [text.decode() for text in profile["string_table"]]
    if not strings or strings[0] != "":
        wrong.append("string_table[0] is not empty")
    if len(set(strings)) != len(strings):
        wrong.append("a string stands twice in the table")

    def text(index, where):
        if 0 <= index < len(strings):
            return strings[index]
        wrong.append(f"{where}: no string {index}")
        return ""

    def table(name, fields):
        entries = {}
        for data in profile[name]:
            entry = message(data, fields)
            number = one(entry, "id")
            if number == 0 or number in entries:
                wrong.append(f"{name} {number}: the id is 0 or stands twice")
            entries[number] = entry
        return entries

    mappings, functions = table("mapping", MAPPING), table("function", FUNCTION)
    locations = table("location", LOCATION)
    for number, mapping in mappings.items():
        if not one(mapping, "memory_start") < one(mapping, "memory_limit"):
            wrong.append(f"mapping {number} is empty")
        text(one(mapping, "filename"), f"mapping {number}")
    names = {}
    for number, function in functions.items():
        names[number] = text(one(function, "name"), f"function {number}")
        if not names[number]:
            wrong.append(f"function {number} has no name")
        text(one(function, "system_name"), f"function {number}")
        text(one(function, "filename"), f"function {number}")
    frames = {}
    with_lines = without_mapping = 0
    for number, location in locations.items():
        mapping, address = one(location, "mapping_id"), one(location, "address")
        if mapping == 0:
            without_mapping += 1
        elif mapping not in mappings:
            wrong.append(f"location {number}: no mapping {mapping}")
        elif not one(mappings[mapping], "memory_start") <= address < one(mappings[mapping], "memory_limit"):
            wrong.append(f"location {number}: address {address:#x} is outside its mapping")
        lines = [message(data, LINE) for data in location["line"]]
        if not lines:
            wrong.append(f"location {number} names no function")
        frames[number] = []
        for line in lines:
            function = one(line, "function_id")
            if function not in functions:
                wrong.append(f"location {number}: no function {function}")
            frames[number].append(names.get(function, "?"))
            with_lines += one(line, "line") > 0
    types = []
    for data in profile["sample_type"]:
        kind = message(data, VALUE_TYPE)
        types.append([text(one(kind, "type"), "sample_type"), text(one(kind, "unit"), "sample_type")])
    totals = [0] * len(types)
    threads, leaves, used = {}, {}, set()
    for index, data in enumerate(profile["sample"]):
        sample = message(data, SAMPLE)
        values = [signed(value) for value in integers(sample["value"])]
        if len(values) != len(types):
            wrong.append(f"sample {index} has {len(values)} values for {len(types)} types")
        if any(value < 0 for value in values):
            wrong.append(f"sample {index} has a negative value: {values}")
        totals = [total + value for total, value in zip(totals, values)]
        stack = integers(sample["location_id"])
        used.update(stack)
        missing = [number for number in stack if number not in locations]
        if missing or not stack:
            wrong.append(f"sample {index}: no location {missing}, of {len(stack)}")
        for data in sample["label"]:
            label = message(data, LABEL)
            key, value = text(one(label, "key"), "label"), text(one(label, "str"), "label")
            if key == "thread":
                threads[value] = threads.get(value, 0) + 1
        if stack and not missing:
            leaf = frames[stack[0]][0]
            leaves[leaf] = leaves.get(leaf, 0) + values[-1]
    period_type = message(profile["period_type"][-1], VALUE_TYPE) if profile["period_type"] else None
    first = mappings.get(1)
    print(json.dumps({
        "wrong": wrong[:20],
        "sample_type": types,
        "totals": totals,
        "samples": len(profile["sample"]),
        "locations": len(locations),
        "unused_locations": len(set(locations) - used),
        "locations_without_mapping": without_mapping,
        "functions": sorted(set(names.values())),
        "lines": with_lines,
        "threads": sorted(threads),
        "leaves": leaves,
        "period": one(profile, "period"),
        "period_type": [text(one(period_type, "type"), ""), text(one(period_type, "unit"), "")] if period_type else None,
        "default_sample_type": text(one(profile, "default_sample_type"), "default_sample_type"),
        "time_nanos": one(profile, "time_nanos"),
        "duration_nanos": one(profile, "duration_nanos"),
        "main_mapping": text(one(first, "filename"), "mapping 1") if first else None,
        "has_functions": bool(first and one(first, "has_functions")),
        "comments": [text(index, "comment") for index in integers(profile["comment"])],
    }))


main(sys.argv[1])
