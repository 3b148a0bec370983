# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The tables of the demo's data, and the plain work of making records"""
import csv
from pathlib import Path

from trytond.pool import Pool

BATCH = 40  # larger creates overflow the parser stack of SQLite
_DATA = Path(__file__).parent / 'data'


def read(name):
    "Return the rows of the table as dictionaries of strings"
    with open(_DATA / f'{name}.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def column(name):
    "Return the values of a table of a single column"
    return [row['name'] for row in read(name)]


def flags(text):
    "Return the values that set each of the fields named in text"
    return dict.fromkeys(text.split(), True)


def has(model):
    "Return if the model is known: its module may not be activated"
    return model in dict(Pool().iterobject())


def batches(sequence):
    for start in range(0, len(sequence), BATCH):
        yield sequence[start:start + BATCH]


def create(model, vlist):
    "Return the records created from vlist, made by small batches"
    Model = Pool().get(model)
    records = []
    for values in batches(vlist):
        records.extend(Model.create(values))
    return records


def create_by_key(model, values):
    "Return the ids by key of the records created from the values by key"
    records = create(model, list(values.values()))
    return dict(zip(values, map(int, records), strict=True))


def create_tree(model, rows, key, get_values):
    """Return the ids by key of a tree made generation by generation

    get_values is called with a row and the id of its parent or None.
    """
    ids = {'': None}
    while rows:
        ready = [row for row in rows if row['parent'] in ids]
        rows = [row for row in rows if row['parent'] not in ids]
        ids.update(create_by_key(model, {
                    row[key]: get_values(row, ids[row['parent']])
                    for row in ready}))
    del ids['']
    return ids


def xml_id(name):
    "Return the id of the record created by XML under 'module.fs_id'"
    return Pool().get('ir.model.data').get_id(*name.split('.', 1))
