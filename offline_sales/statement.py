# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Statements that no log writes

At the level DEBUG trytond logs each statement of SQL with its values. Of those
that keep, change or look for a secret only the first word is logged.
"""
import logging

__all__ = ['Discretion']

# What is in such a statement: names of tables and of columns
SECRETS = (
    'ir_session', 'offline_sales_credential', 'pairing_hash', 'password_hash',
    'password_reset', 'res_user_application')


class Discretion(logging.Filter):
    "A filter of the loggers of statements"

    def filter(self, record):
        message = record.getMessage()
        if any(name in message for name in SECRETS):
            record.msg = f'{message.split(maxsplit=1)[0]} …'
            record.args = ()
        return True


for _name in ['sqlite', 'postgresql']:
    logging.getLogger(
        f'trytond.backend.{_name}.database').addFilter(Discretion())
