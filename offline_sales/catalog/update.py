# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.model import ModelSQL, ModelView, fields


class Update(ModelSQL, ModelView):
    "Update of the Catalogs"
    __name__ = 'offline_sales.update'

    branch = fields.Many2One(
        'offline_sales.branch', "Branch", ondelete='CASCADE', readonly=True)
    user = fields.Many2One('res.user', "User", readonly=True)
    start = fields.Timestamp("Start", required=True, readonly=True)
    end = fields.Timestamp("End", readonly=True)
    kind = fields.Selection([
            ('full', "Full"),
            ('delta', "Changes"),
            ], "Kind", required=True, readonly=True, sort=False)
    state = fields.Selection([
            ('running', "Running"),
            ('done', "Done"),
            ('failed', "Failed"),
            ], "State", required=True, readonly=True, sort=False)
    rows = fields.Integer(
        "Rows", readonly=True, help="The rows that were received.")
    rows_total = fields.Integer(
        "Rows to Receive", readonly=True)
    deleted = fields.Integer(
        "Deleted", readonly=True, help="The rows that vanished.")
    bytes = fields.Integer(
        "Bytes", readonly=True, help="The bytes that travelled.")
    message = fields.Text("Message", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('start', 'DESC'), ('id', 'DESC')]

    @classmethod
    def default_state(cls):
        return 'running'
