"""The dashboard in a real Chromium: it shows the market's numbers, stays live, and can be used by everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from scidex.exchange import backlog, compute_auction, cycle, token_ledger
from scidex.web.serving import running_server
from scidex.web.sessions import Sessions
from tests.web.conftest import MARKUP, link

Look = Callable[..., Page]


@pytest.fixture
def look(browser: Browser, shown, sessions) -> Iterator[Look]:
    """
    Return what opens the dashboard: `look(tab, …)`, with options of the browser's context.

    When the test ends, no page may have complained, and none may have asked anybody but the server for anything.
    """
    db, address = shown
    complaints: list[str] = []
    asked: set[str] = set()
    contexts = []

    def opened(tab: str = "auction", **options) -> Page:
        context = browser.new_context(locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        page.goto(f"{address}{link(db, sessions)}")
        page.goto(f"{address}/resources?tab={tab}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert asked == {urlsplit(address).netloc}


def figure(page: Page, panel: str, label: str) -> str:
    """Return the number that stands under a label."""
    return page.locator(f"#{panel} .figure", has=page.get_by_text(label, exact=True)).locator("dd").first.inner_text()


def test_the_auction_tab_shows_the_markets_own_numbers(look):
    page = look("auction")

    assert figure(page, "auction", "Last price") == "400"
    assert figure(page, "auction", "Fill rate") == "100 %"
    assert figure(page, "auction", "Impact") == "$31.50"
    first = page.locator("#top-wins tbody tr").first
    expect(first.locator("td").nth(1)).to_have_text("900")
    expect(first.locator("td").nth(2)).to_have_text("400")
    expect(first.locator("td").nth(3)).to_have_text("$31.50")
    expect(page.locator("#lost tbody tr")).to_contain_text(["Third"])


def test_the_budget_tab_shows_the_split_by_priority_and_each_wallet(look, shown):
    db, _ = shown

    page = look("budget")

    assert page.locator("#quest-pie-chart-section .key li").all_inner_texts() == [
        "Security audit\n75 %",
        "Style audit\n25 %",
    ]
    expect(page.locator("#quest-pie-chart-section .pie path")).to_have_count(2)
    wallets = page.locator("#budget table tbody tr td:nth-child(5)").all_inner_texts()
    balances = [token_ledger.get_balance(f"quest:{quest}", db=db).balance for quest in ("security", "style")]
    assert wallets == [f"{balance:,}" for balance in balances]


def test_the_depth_is_that_of_the_last_round_while_the_book_is_empty(look, shown):
    db, _ = shown
    page = look("auction")
    expect(page.locator("#depth-title")).to_have_text("Depth of the last round")
    expect(page.locator("#depth-text")).to_have_text("In round 1, 2 of 2 slots sold at 400 tokens; 3 bids stood.")

    compute_auction.offer_slots(1, reserve_price_tokens=60, db=db)
    compute_auction.place_bid("quest:style", "t4", 80, db=db)

    expect(page.locator("#depth-title")).to_have_text("Depth of the book")
    expect(page.locator("#depth-text")).to_have_text("Cleared now, 1 slot would sell at 60 tokens.")


def test_the_price_chart_is_drawn(look):
    page = look("auction")

    expect(page.locator("#price-canvas canvas")).to_be_visible()
    drawn = page.evaluate(
        """() => {
            const canvas = document.querySelector("#price-canvas canvas");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return pixels.some((value) => value > 0);
        }"""
    )
    assert drawn
    expect(page.locator("#price-canvas .u-legend")).to_contain_text("400 tokens")


def test_a_new_round_shows_without_a_reload(look, shown):
    db, _ = shown
    page = look("auction")
    page.evaluate("window.stillTheSamePage = true")

    backlog.add_task("t5", "style", "Fifth", db=db)
    compute_auction.offer_slots(1, reserve_price_tokens=650, db=db)
    compute_auction.place_bid("quest:style", "t5", 1_000, db=db)
    compute_auction.clear_round(db=db)

    expect(page.locator("#top-wins tbody tr").first).to_contain_text("Fifth")
    assert figure(page, "auction", "Last price") == "650"
    expect(page.locator("#price-canvas .u-legend")).to_contain_text("650 tokens")
    assert page.evaluate("window.stillTheSamePage")


def test_what_the_reader_opened_and_holds_survives_a_refresh(look, shown):
    db, _ = shown
    page = look("auction")
    page.locator("#rounds summary").click()

    compute_auction.offer_slots(1, db=db)

    expect(page.locator("#asks-title")).to_contain_text("1")
    expect(page.locator("#rounds")).to_have_attribute("open", "")
    expect(page.locator("#rounds summary")).to_be_focused()


def test_a_title_with_markup_is_shown_as_text(look):
    page = look("auction")

    expect(page.locator("#top-wins tbody th").first).to_have_text(MARKUP)
    assert page.locator("main img, main b:text('bold')").count() == 0
    expect(page).to_have_title("Auction · scidex")


def test_tabs_are_reached_and_changed_by_keyboard(look):
    page = look("budget")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the market")).to_be_focused()
    budget, auction = page.get_by_role("tab", name="Budget"), page.get_by_role("tab", name="Auction")
    budget.focus()

    page.keyboard.press("ArrowRight")

    expect(auction).to_be_focused()
    expect(auction).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel", name="Auction")).to_be_visible()
    expect(page.get_by_role("tabpanel", name="Budget")).to_be_hidden()
    expect(page.locator("#price-canvas canvas")).to_be_visible()

    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Health")).to_be_focused()
    expect(page.locator("#books")).to_have_text("verified")

    page.go_back()
    expect(auction).to_have_attribute("aria-selected", "true")


def test_everything_to_act_on_has_a_name_for_a_screen_reader(look):
    for tab in ("budget", "auction", "wallets", "fleet", "health"):
        page = look(tab)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("a, button, input, [role=img], [role=region], [role=tabpanel]")]
                .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length
                    || document.getElementById(one.getAttribute("aria-labelledby"))?.textContent.trim()))
                .map((one) => one.outerHTML)"""
        )
        assert nameless == []
        dangling = page.evaluate(
            """() => [...document.querySelectorAll("[aria-labelledby], [aria-controls], label[for]")]
                .flatMap((one) => [one.getAttribute("aria-labelledby"), one.getAttribute("aria-controls"), one.htmlFor])
                .filter((id) => id && !document.getElementById(id))"""
        )
        assert dangling == []


def test_a_lost_bid_is_explained_in_place(look):
    page = look("auction")

    page.get_by_role("link", name="Why did bid 3 lose?").click()

    expect(page.locator("#explanation")).to_contain_text("a bid of 701 tokens would have won, 301 more than it bid")


def test_a_bid_is_explained_by_its_number_and_an_unknown_one_is_told(look):
    page = look("auction")

    page.get_by_label("Number of the bid").fill("1")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explanation")).to_contain_text("It won: number 1")

    page.get_by_label("Number of the bid").fill("999")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explanation")).to_contain_text("No bid has the number “999”.")


def test_without_scripts_the_page_still_tells_everything(look):
    page = look("auction", java_script_enabled=False)

    expect(page.locator("#top-wins tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Why did bid 3 lose?").click()
    expect(page.locator("#explanation")).to_contain_text("a bid of 701 tokens would have won")
    page.get_by_role("tab", name="Budget").click()
    expect(page.locator("#quest-pie-chart-section")).to_be_visible()


def test_an_operator_pauses_the_cycle_and_clears_at_once(look, shown):
    db, _ = shown
    compute_auction.offer_slots(1, db=db)
    page = look("auction")
    expect(page.locator("#mode")).to_have_text("auction")

    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#mode")).to_have_text("auction (paused)")
    assert cycle.cycle_status(db=db).paused

    page.get_by_role("button", name="Clear now").click()
    expect(page.locator("#lost-title")).to_be_visible()
    expect(page.locator("#auction .figure", has_text="Rounds").locator("dd").first).to_have_text("2")

    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#mode")).to_have_text("auction")


def test_a_change_to_the_fallback_shows(look, shown, monkeypatch):
    db, _ = shown
    page = look("auction")
    expect(page.locator("#switches-title")).to_be_visible()

    def broken(*_, **__):
        raise RuntimeError("the round broke")

    monkeypatch.setattr(compute_auction, "clear_round", broken)
    cycle.run_cycle(db=db)

    expect(page.locator("#mode")).to_have_text("fallback")
    expect(page.locator("#switches")).to_contain_text("the round broke")


@pytest.mark.parametrize("tab", ["budget", "auction", "wallets", "fleet", "health"])
def test_a_phone_scrolls_up_and_down_only(look, tab):
    page = look(tab, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)

    expect(page.locator(f"#panel-{tab} h2").first).to_be_attached()
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths == [360, 360]


def test_dark_and_light_follow_the_readers_choice(look):
    def brightness(page: Page) -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    assert brightness(look("auction", color_scheme="dark")) < 150
    assert brightness(look("auction", color_scheme="light")) > 600


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(look, scheme):
    page = look("auction", color_scheme=scheme)

    faint = page.evaluate(
        """() => {
            const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
            const parsed = (colour) => {
                canvas.clearRect(0, 0, 1, 1);
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data];
            };
            const light = ([r, g, b]) => [r, g, b]
                .map((part) => part / 255)
                .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
                .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
            const behind = (one) => {
                for (; one; one = one.parentElement) {
                    const colour = parsed(getComputedStyle(one).backgroundColor);
                    if (colour[3] === 255) return colour;
                }
                return [255, 255, 255];
            };
            return [...document.querySelectorAll("body *:not(svg *, script, .skip)")]
                .filter((one) => one.offsetParent && [...one.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
                .map((one) => {
                    const [a, b] = [light(parsed(getComputedStyle(one).color)), light(behind(one))];
                    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), one.outerHTML.slice(0, 90)];
                })
                .filter(([contrast]) => contrast < 4.5);
        }"""
    )
    assert faint == []


def test_a_page_that_is_open_does_not_keep_the_server_from_stopping(browser, shown):
    db, _ = shown
    context = browser.new_context()
    sessions = Sessions()
    with running_server(db, sessions=sessions) as address:
        page = context.new_page()
        page.goto(f"{address}{link(db, sessions)}")
        page.goto(f"{address}/resources?tab=auction")
        expect(page.locator("#top-wins")).to_be_visible()

    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{address}/healthz")
    expect(page.locator("body")).to_have_class("stale")  # and the page says that it is no longer fresh
    expect(page.locator("#trouble")).to_contain_text("The server has not answered since")
    context.close()
