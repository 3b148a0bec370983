# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What branches said of customers, erased with them"
from trytond.i18n import gettext
from trytond.modules.party.exceptions import EraseError
from trytond.pool import Pool, PoolMeta


class Erase(metaclass=PoolMeta):
    __name__ = 'party.erase'

    def check_erase(self, party):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        super().check_erase(party)
        # What is yet to be done would tell again what was erased
        if Document.search([
                    ('kind', '=', 'party'),
                    ('party', '=', party.id),
                    ('state', 'not in', ['processed', 'voided']),
                    ], limit=1, order=[]):
            raise EraseError(gettext(
                    'offline_sales.msg_party_erase_unsettled',
                    party=party.rec_name))

    def to_erase(self, party_id):
        pool = Pool()
        Conflict = pool.get('offline_sales.document.conflict')
        Document = pool.get('offline_sales.document')
        Repair = pool.get('offline_sales.document.repair')

        def where(prefix=''):
            return [
                (f'{prefix}kind', '=', 'party'),
                ['OR',
                    (f'{prefix}party', '=', party_id),
                    (f'{prefix}record', '=', f'party.party,{party_id}'),
                    ],
                ]
        return [
            *super().to_erase(party_id),
            (Conflict, where('document.'), False,
                ['base', 'branch', 'central', 'value', 'stood'], [None] * 5),
            (Repair, where('document.'), False,
                ['payload', 'problem', 'changes'], [None] * 3),
            (Document, where(), False,
                ['payload', 'reason_code', 'reason_params'],
                ['', None, None]),
            ]
