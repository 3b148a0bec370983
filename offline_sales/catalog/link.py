# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from collections import defaultdict
from uuid import uuid4

from trytond.model import Exclude, Index, ModelSQL, fields
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from sql import Null
from sql.operators import Equal

# That of no row
NO_VERSION = 0


class Link(ModelSQL):
    """Record Link

    Which record of the central a record of the branch is. At the central it
    keeps the identity given by the branch to the records that it made.
    """
    __name__ = 'offline_sales.link'

    model = fields.Char("Model", required=True)
    local = fields.Integer("Local Id", required=True)
    central = fields.Integer(
        "Central Id",
        help="Empty as long as the central has not answered.")
    version = fields.Integer(
        "Version", help="The version of the central's row that is held.")
    version._sql_type = 'BIGINT'
    uuid = fields.Char(
        "Identity", help="Given by the branch to the records that it makes.")
    branch = fields.Many2One(
        'offline_sales.branch', "Branch", ondelete='CASCADE',
        help="The branch that gave the identity, where that matters.")
    original = fields.Many2One(
        'offline_sales.link', "Alias of", ondelete='CASCADE',
        help="The link of the record, if this is one more identity of it: a "
        "branch made what was there already.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('local_unique', Exclude(t, (t.model, Equal), (t.local, Equal),
                    where=t.original == Null),
                'offline_sales.msg_link_unique'),
            ('central_unique',
                Exclude(t, (t.model, Equal), (t.central, Equal),
                    where=t.central != Null),
                'offline_sales.msg_link_unique'),
            ('uuid_unique',
                Exclude(t, (t.uuid, Equal), where=t.uuid != Null),
                'offline_sales.msg_link_unique'),
            ]
        cls._sql_indexes.add(
            Index(t, (t.model, Index.Equality()), (t.local, Index.Equality())))

    @classmethod
    def _select(cls, model, column, ids):
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        for sub_ids in grouped_slice(ids, 1000):
            sub_ids = list(sub_ids)
            cursor.execute(*table.select(
                    table.local, table.central, table.uuid,
                    where=(table.model == model)
                    & fields.SQL_OPERATORS['in'](
                        getattr(table, column), sub_ids)))
            yield from cursor

    @classmethod
    def to_wire(cls, model, ids):
        """Return what the other side knows the records by, by local id

        The central's id (int) where it is known, else the identity given by
        the branch (str); a record that is neither is left out.
        """
        return {
            local: central if central is not None else uuid
            for local, central, uuid in cls._select(model, 'local', ids)
            if central is not None or uuid}

    @classmethod
    def from_wire(cls, model, values):
        """Return the local ids by what the other side knows the records by

        The inverse of to_wire: values are the central's ids (int) or the
        identities given by the branch (str); the unknown are left out.
        """
        found = {}
        centrals = {v for v in values if isinstance(v, int)}
        uuids = {v for v in values if isinstance(v, str)}
        for local, central, _ in cls._select(model, 'central', centrals):
            found[central] = local
        for local, _, uuid in cls._select(model, 'uuid', uuids):
            found[uuid] = local
        return found

    @classmethod
    def identify(cls, records):
        """Give an identity to those of the records of one model that the
        central does not know yet, and return what each is known by

        :return: a dictionary of the local ids and central ids or identities
        """
        if not records:
            return {}
        model = records[0].__name__
        known = cls.to_wire(model, [r.id for r in records])
        missing = [r.id for r in records if r.id not in known]
        if missing:
            links = cls.create([{
                        'model': model,
                        'local': id_,
                        'uuid': str(uuid4()),
                        } for id_ in missing])
            known.update((l.local, l.uuid) for l in links)
        return known

    @classmethod
    def learn(cls, records, branch=None):
        """Keep at the central the identities that a branch gave

        records: (model, identity, id) of what was made. A record that has an
        identity already, or was here before, gets one more.
        """
        if not records:
            return
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        query, _ = table.insert(
            [table.model, table.local, table.central, table.uuid,
                table.branch, table.original],
            [['', 0, 0, '', 0, 0]])
        branch = branch.id if branch else None
        originals = cls._find_originals(records)
        values = []
        for model, uuid, id_ in records:
            original = originals.get((model, id_))
            values.append((
                    model, id_, None if original else id_, uuid, branch,
                    original))
        cursor.executemany(query, values)

    @classmethod
    def _find_originals(cls, records):
        "Return the ids of the links of the records, by (model, id)"
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        ids = defaultdict(set)
        for model, _, id_ in records:
            ids[model].add(id_)
        found = {}
        for model, ids_ in ids.items():
            for sub_ids in grouped_slice(ids_, 1000):
                cursor.execute(*table.select(
                        table.local, table.id,
                        where=(table.model == model)
                        & fields.SQL_OPERATORS['in'](
                            table.local, list(sub_ids))
                        & (table.original == Null)))
                found.update(((model, local), id_) for local, id_ in cursor)
        return found

    @classmethod
    def settle(cls, records):
        """Keep at the branch the central's ids of what it made

        records: the identities and [model, id]. Return the (identity, model,
        id) of those that another record of the branch stands for already.
        """
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        by_model = defaultdict(lambda: defaultdict(list))
        for uuid, (model, central) in records.items():
            by_model[model][central].append(uuid)
        twins = []
        query, _ = table.update(
            [table.central], [0],
            where=(table.uuid == '') & (table.model == '')
            & (table.central == Null))
        for model, uuids in by_model.items():
            held = {
                central: uuid for _, central, uuid
                in cls._select(model, 'central', uuids)}
            for central, made in uuids.items():
                if central not in held:
                    held[central] = made[0]
                    cursor.execute(query, (central, made[0], model))
                twins.extend(
                    (uuid, model, central) for uuid in made
                    if uuid != held[central])
        return twins

    @classmethod
    def forget(cls, model, ids):
        "Have the rows of the records fetched again, by local ids"
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        for sub_ids in grouped_slice(ids, 1000):
            # No version: of what the central has no more too
            cursor.execute(*table.update(
                    [table.version], [NO_VERSION],
                    where=(table.model == model)
                    & fields.SQL_OPERATORS['in'](table.local, list(sub_ids))
                    & (table.central != Null)))
