# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What the tests of the clients do in the databases themselves"
from trytond.pool import Pool


def find_products(codes):
    "Return the names of the products of the codes"
    Product = Pool().get('product.product')
    return [Product.search([('code', '=', code)])[0].name for code in codes]


def each_user_a_token(code):
    "Have each of the branch's users need a token of his own"
    Branch = Pool().get('offline_sales.branch')
    Branch.write(Branch.search([('code', '=', code)]), {'usage': 'user'})


def welcome():
    "Have the administrator read Spanish, and be asked to configure nothing"
    pool = Pool()
    Item = pool.get('ir.module.config_wizard.item')
    Language = pool.get('ir.lang')
    User = pool.get('res.user')
    Item.write(Item.search([('state', '=', 'open')]), {'state': 'done'})
    User.write([User(1)], {
            'language': Language.search([('code', '=', 'es')])[0].id})
