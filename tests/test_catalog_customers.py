# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Customers that a refresh meets before the branch was told of them"
from .replica import here, moved


def test_customers_made_here_and_known_there(shop):
    "Before the branch was told, or gone again since it was"
    names = ["Clienta de aquí", "Cliente fusionado"]

    def make():
        Party = shop.branch.get('party.party')
        parties = Party.create([{'name': name} for name in names])
        known = shop.branch.get('offline_sales.link').identify(parties)
        return [p.id for p in parties], [known[p.id] for p in parties]
    locals_, uuids = shop.branch.run(make, user=0)

    def take():
        Party = shop.central.get('party.party')
        branch, = shop.central.get('offline_sales.branch').search([
                ('code', '=', shop.code)])
        parties = Party.create([
                {'name': f"{name}, S.A."} for name in names])
        shop.central.get('offline_sales.link').learn([
                ('party.party', uuid, party.id)
                for uuid, party in zip(uuids, parties, strict=True)], branch)
        parties[1].active = False
        parties[1].save()
        return [p.id for p in parties]
    centrals = shop.central.run(take)
    shop.branch.run(lambda: shop.branch.get('offline_sales.link').settle(
            {uuids[1]: ['party.party', centrals[1]]}), user=0)
    shop.obtain()

    def read():
        Party = shop.branch.get('party.party')
        assert [here('party.party', c).id for c in centrals] == locals_
        return {
            p.id: p.name for p in Party.search([
                    ['OR', *[('name', 'like', f'{n}%') for n in names]]])}
    assert shop.branch.run(read) == {locals_[0]: "Clienta de aquí, S.A."}
    shop.obtain()
    assert shop.branch.run(lambda: moved(shop.branch)) == (0, [])
