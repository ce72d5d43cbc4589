"""The demo catalogue holds what the demo and its journeys count on, and every drawing can be drawn."""

import xml.etree.ElementTree as ET
from io import BytesIO
from itertools import product as every_combination

import pytest
import resvg_py
from PIL import Image

from shop.demo.catalogue import ART_FOLDER, DEMO_CURRENCY, DEMO_PRODUCTS, TRUMP_KIM_TEE, DemoImage, DemoProduct

IMAGES = [image for product in DEMO_PRODUCTS for image in product.images]
by_slug = pytest.mark.parametrize("product", DEMO_PRODUCTS, ids=lambda product: product.slug)
by_file = pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.file)


def published() -> list[DemoProduct]:
    return [
        p for p in DEMO_PRODUCTS if p.status == "active" and p.publish_in_days is not None and p.publish_in_days <= 0
    ]


def test_at_least_eight_products_are_in_the_shop_one_is_still_to_come_and_one_is_a_draft() -> None:
    assert len(published()) >= 8
    assert [p.slug for p in DEMO_PRODUCTS if (p.publish_in_days or 0) > 0] == ["year-of-front-pages-calendar"]
    assert [p.slug for p in DEMO_PRODUCTS if p.status == "draft"] == ["embargo-eye-mask"]


def test_the_shirt_comes_in_four_sizes_and_two_colours_for_thirty_nine_dollars() -> None:
    assert TRUMP_KIM_TEE in published()
    assert (TRUMP_KIM_TEE.slug, TRUMP_KIM_TEE.cta) == ("trump-kim-tee", "Buy a Trump-Kim t-shirt:")
    assert [(option.name, option.values) for option in TRUMP_KIM_TEE.options] == [
        ("Size", ("S", "M", "L", "XL")),
        ("Colour", ("Black", "White")),
    ]
    assert {variant.price for variant in TRUMP_KIM_TEE.variants} == {3900}
    assert DEMO_CURRENCY == "SGD"
    assert {v.sku for v in TRUMP_KIM_TEE.variants if v.values == ("M", "Black")} == {"TKT-BLK-M"}


def test_just_one_variant_is_sold_out() -> None:
    assert [v.sku for p in DEMO_PRODUCTS for v in p.variants if v.on_hand == 0] == ["TKT-WHT-XL"]


def test_no_two_variants_share_a_sku_and_no_two_products_an_address() -> None:
    skus = [variant.sku for product in DEMO_PRODUCTS for variant in product.variants]
    slugs = [product.slug for product in DEMO_PRODUCTS]
    assert len(skus) == len(set(skus))
    assert len(slugs) == len(set(slugs))


@by_slug
def test_every_combination_of_options_is_a_variant_once(product: DemoProduct) -> None:
    wanted = sorted(every_combination(*(option.values for option in product.options)))
    assert sorted(variant.values for variant in product.variants) == wanted


@by_slug
def test_a_product_has_words_a_price_a_weight_and_a_picture(product: DemoProduct) -> None:
    assert product.title.strip()
    assert product.tagline.strip()
    assert len(product.description.split("\n\n")) in {2, 3, 4}
    assert "\n- " in product.description
    assert product.images
    for variant in product.variants:
        assert variant.price > 0
        assert variant.weight_grams > 0
        assert variant.on_hand >= 0


@by_slug
def test_a_picture_of_one_value_names_an_option_and_a_value_of_its_product(product: DemoProduct) -> None:
    offered = {(option.name, value) for option in product.options for value in option.values}
    assert {image.shows for image in product.images if image.shows} <= offered


@by_file
def test_a_drawing_is_there_described_and_drawn_without_any_font(image: DemoImage) -> None:
    assert 20 <= len(image.alt) <= 180
    tree = ET.parse(image.path)
    assert tree.getroot().get("viewBox") == "0 0 1600 1600"
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert not tags & {"text", "image", "script", "style", "foreignObject"}
    png = bytes(resvg_py.svg_to_bytes(svg_path=str(image.path), width=320, skip_system_fonts=True))
    with Image.open(BytesIO(png)) as drawn:
        assert drawn.size == (320, 320)
        assert drawn.convert("RGBA").getextrema()[3] == (255, 255)
        colours = drawn.convert("RGB").getcolors(320 * 320)
        assert colours is not None
        assert len(colours) > 1000


def test_every_drawing_in_the_folder_is_used_once() -> None:
    assert sorted(path.name for path in ART_FOLDER.iterdir()) == sorted(image.file for image in IMAGES)
