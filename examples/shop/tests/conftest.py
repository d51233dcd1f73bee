from __future__ import annotations

import pytest

from shop.catalogue import Catalogue

GOODS = """\
sku,name,price,tax
B-01,Rye bread,3.20,reduced
B-02,Bread knife,14.95,standard
B-03,Breadcrumbs,1.49,reduced
C-01,Filter coffee,6.99,reduced
C-02,Coffee grinder,49.00,standard
C-03,Coffee filter paper,2.29,standard
T-01,Green tea,4.75,reduced
T-02,Tea pot,29.90,standard
S-01,Stamps,8.50,free
S-02,Gift card,25.00,free
"""


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.from_csv(GOODS)
