"""Instruction families about forms of business text: tags, locales, greetings, templates, ids.

What a locale does to a price, a date or a greeting is a closed list; what is formatted is fresh.
"""

from __future__ import annotations

import random

from assay.lab.world.base import Family, Split, Task, ask, phrasings
from assay.lab.world.layout import place, polite
from assay.lab.world.values import (
    CITIES,
    ENVIRONMENTS,
    LOCALES,
    PRODUCTS,
    STATUSES,
    WEEKDAYS,
    OpenPool,
    amount,
    date_parts,
    domain,
    first_name,
    iso_date,
    order_id,
    some_word,
    user_name,
)

_TAGS = ("[env: {env}]", "env={env}", "Environment: {env}.", "({env})", "[{env}]", "env: {env}.")
_JOBS_TO_DO = (
    "Restart the service of {name}.",
    "Send the report about the {product} to {name}.",
    "Update the page about the {product}.",
    "Please check order {order}.",
    "Delete the old list of {city}.",
    "{name} wants a new password.",
    "Load the orders of {day}.",
    "Change the price of the {product}.",
)
_ENVIRONMENT = phrasings(
    "environment_tag",
    "Which environment is it?",
    "Environment?",
    "What is the environment?",
    "Name the environment of this request.",
    "Write only the environment.",
    "In which environment does this run?",
    "Please tell me the environment.",
    "Which environment does the tag name?",
    "Tell me the environment of the request.",
    "Which environment is named here?",
    more=(
        "I need to know the environment.",
        "Read the tag and give me the environment.",
        "env = ?",
        "Could you say which environment is meant?",
        "Look for the tag. What environment does it show?",
        "For which environment is this request?",
        "There is a tag on this request. Write the environment in it.",
        "Show the environment and nothing else.",
        "Let me know what environment we are in.",
        "Copy the name of the environment.",
        "I would like to have the name of the environment.",
        "Somewhere here stands an environment. Find it.",
        "Just the environment, please.",
        "Return the value of env.",
        "I am looking for the environment.",
        "Print the environment that is given.",
        "Somebody wrote down an environment. Which one?",
        "Where does this request run? Say only the environment.",
    ),
)
_PRODUCTION = phrasings(
    "is_production",
    "Is this production?",
    "Production, yes or no?",
    "Is it the production environment?",
    "Does this request run in production?",
    "Yes or no: is this production?",
    "Please check if this is production.",
    "Is the environment production?",
    "Tell me if this runs in production.",
    "Is production the environment of this request?",
    more=(
        "Look at the environment. Is it production? Answer yes or no.",
        "Say yes if the environment is production and no if it is not.",
        "Are we in production here?",
        "Is it production that this request is for? Yes or no.",
        "I need to know if this is a production request.",
        "Would this run in production? Yes or no.",
        "Does the tag say production?",
        "Let me know with yes or no: is the environment production?",
        "Is this request meant for production?",
        "Say yes for production and no for everything else.",
        "I would like to know if we are on production.",
        "Has this request the tag of production?",
        "For production? Write yes or no.",
        "Can you see if this goes to production?",
        "Does the environment have the name production?",
        "Production or not? Answer with yes or no.",
        "Read the tag: do we touch production, yes or no?",
        "Is production what the tag names?",
    ),
)


def _tagged(rng: random.Random, split: Split, environment: str) -> str:
    tag = rng.choice(_TAGS).format(env=environment)
    job = rng.choice(_JOBS_TO_DO).format(
        name=first_name(rng, split),
        product=PRODUCTS.draw(rng, split),
        order=order_id(rng),
        city=CITIES.draw(rng, split),
        day=rng.choice(WEEKDAYS),
    )
    return f"{tag} {job}" if rng.random() < 0.7 else f"{job} {tag}"


def environment_tag(rng: random.Random, split: Split) -> Task:
    environment = ENVIRONMENTS.draw(rng, split)
    question = place(
        rng, _ENVIRONMENT.draw(rng, split), _tagged(rng, split, environment), label="Request"
    )
    return ask("environment_tag", "instruction", question, environment)


def is_production(rng: random.Random, split: Split) -> Task:
    """Yes or No, half and half."""
    yes = rng.random() < 0.5
    others = [name for name in ENVIRONMENTS.items(split) if name != "production"]
    environment = "production" if yes else rng.choice(others)
    question = place(
        rng, _PRODUCTION.draw(rng, split), _tagged(rng, split, environment), label="Request"
    )
    return ask("is_production", "instruction", question, "Yes" if yes else "No")


_PRICE = phrasings(
    "locale_price",
    "Write the price {amount} for the locale {locale}.",
    "Locale: {locale}. Price: {amount}. Write the price.",
    "How do you write the price {amount} in {locale}?",
    "Format {amount} as a price for {locale}.",
    "Price {amount}, locale {locale}",
    "Please write {amount} as a price in the locale {locale}.",
    "Write the price for {locale}: {amount}",
    "Format the price {amount} for the locale {locale}, please.",
    "Price: {amount}. Locale: {locale}. Format?",
    more=(
        "What does a price of {amount} look like in {locale}?",
        "I need the price {amount} the way {locale} writes it.",
        "Show the amount {amount} as a price in {locale}.",
        "Our customers use {locale}. How should they see the price {amount}?",
        "Could you give me the price {amount} in the right form for {locale}?",
        "Turn {amount} into a price for {locale}.",
        "{locale}: price {amount}",
        "Let me know how {amount} is shown as a price with the locale {locale}.",
        "Something costs {amount} and the locale is {locale}. Print the price.",
        "amount = {amount}, locale = {locale}, price = ?",
        "I would like to see the price {amount} in the style of {locale}.",
        "Which form has the price {amount} under the locale {locale}?",
        "The price is {amount} and the page uses {locale}. Say the price.",
        "Give the {locale} form of the price {amount}",
        "Put the price {amount} on a page with the locale {locale}.",
        "For {locale}, make a price out of {amount}, please.",
        "The number {amount} is a price. Return it as {locale} wants it.",
        "{amount} as a price, {locale}?",
    ),
)
_DATE = phrasings(
    "locale_date",
    "Write the date {date} for the locale {locale}.",
    "Locale: {locale}. Date: {date}. Write the date.",
    "How do you write the date {date} in {locale}?",
    "Format {date} as a date for {locale}.",
    "Date {date}, locale {locale}",
    "Please write {date} as a date in the locale {locale}.",
    "Write the date for {locale}: {date}",
    "Format the date {date} for the locale {locale}, please.",
    "Date: {date}. Locale: {locale}. Format?",
    more=(
        "What does the date {date} look like in {locale}?",
        "I need the date {date} the way {locale} writes it.",
        "Show the day {date} as people with the locale {locale} write it.",
        "Our customers use {locale}. How should they see the date {date}?",
        "Could you give me {date} in the right form for {locale}?",
        "Turn {date} into a date for {locale}.",
        "{locale}: date {date}",
        "Let me know how the day {date} is shown with the locale {locale}.",
        "The day is {date} and the locale is {locale}. Print the date.",
        "day = {date}, locale = {locale}, date = ?",
        "I would like to see the date {date} in the style of {locale}.",
        "Which form has the date {date} under the locale {locale}?",
        "The date is {date} and the page uses {locale}. Say the date.",
        "Give the {locale} form of the date {date}",
        "Put the date {date} on a page with the locale {locale}.",
        "Change the date {date} so that it fits {locale}, please.",
        "In a letter with the locale {locale}, how is {date} written?",
        "{date} as a date, {locale}?",
    ),
)


def _price_in(locale: str, value: str) -> str:
    return f"${value}" if locale == "en-US" else f"{value.replace('.', ',')} €"


def _date_in(locale: str, parts: tuple[int, int, int]) -> str:
    year, month, day = parts
    if locale == "en-US":
        return f"{month:02}/{day:02}/{year}"
    mark = "." if locale == "de-DE" else "/"
    return f"{day:02}{mark}{month:02}{mark}{year}"


def locale_price(rng: random.Random, split: Split) -> Task:
    """Dollars before the number in en-US, euros after it with a comma in the others."""
    locale, value = rng.choice(tuple(LOCALES)), amount(rng)
    wording = _PRICE.draw(rng, split).format(locale=locale, amount=value)
    return ask("locale_price", "instruction", polite(rng, wording), _price_in(locale, value))


def locale_date(rng: random.Random, split: Split) -> Task:
    """Month first in en-US, dots in de-DE, slashes in the others."""
    locale, parts = rng.choice(tuple(LOCALES)), date_parts(rng, split)
    wording = _DATE.draw(rng, split).format(locale=locale, date=iso_date(parts))
    return ask("locale_date", "instruction", polite(rng, wording), _date_in(locale, parts))


_GREETING = phrasings(
    "greeting",
    "Greet {name} in {language}.",
    "Locale: {locale}. Greet {name}.",
    "Write a short greeting in {language} for {name}.",
    "Say hello to {name} in {language}.",
    "Name: {name}. Locale: {locale}. Greeting?",
    "Please greet {name}, who speaks {language}.",
    "Greeting in {language} for {name}?",
    "{name} speaks {language}. Greet {name}.",
    "Please say hello to {name} in {language}.",
    "Name: {name}. Language: {language}. Greeting?",
    more=(
        "How do you say hello to {name} in {language}?",
        "The customer {name} uses the locale {locale}. Start with a greeting.",
        "Give me the {language} hello for {name}.",
        "A greeting for {name}, please. The locale is {locale}.",
        "Could you greet {name} in {language} for me?",
        "{locale}: say hello to {name}",
        "I would like to greet my friend {name} in {language}.",
        "What is the right greeting for {name} with the locale {locale}?",
        "One word of hello in {language}, and then the name {name}.",
        "{name} is here and knows only {language}. Say hi.",
        "Our page has the locale {locale} and the visitor is {name}. Show the greeting.",
        "Print the {locale} greeting for {name}.",
        "Begin a letter to {name} in {language}. I need only the greeting.",
        "Show me how {name} is greeted in {language}.",
        "Send one short hello to {name} in {language}.",
        "Let me know what to say when I meet {name}. We speak {language}.",
        "Language {language}, person {name}: which greeting?",
        "I need a greeting in {language}. It is for {name}.",
    ),
)


def greeting(rng: random.Random, split: Split) -> Task:
    """A word of greeting in one of five languages, and the name."""
    locale = rng.choice(tuple(LOCALES))
    language, hello = LOCALES[locale]
    name = first_name(rng, split)
    wording = _GREETING.draw(rng, split).format(name=name, locale=locale, language=language)
    return ask("greeting", "instruction", polite(rng, wording), f"{hello} {name}")


_EMAIL = phrasings(
    "build_email",
    "Make an e-mail address from the user {user} and the domain {domain}.",
    "User: {user}. Domain: {domain}. E-mail address?",
    "What is the e-mail address of {user} at {domain}?",
    "Write the e-mail address: user {user}, domain {domain}",
    "The user is {user} and the domain is {domain}. Write the e-mail address.",
    "Please make the e-mail address of the user {user} at {domain}.",
    "{user} works at {domain}. What is the e-mail address?",
    "Domain: {domain}. User: {user}. Write the e-mail address.",
    "Please write the e-mail address of {user} at {domain}.",
    more=(
        "I want to write an e-mail to {user} at {domain}. Which address do I use?",
        "Join {user} and {domain} to an e-mail address.",
        "E-mail of {user}, domain {domain}?",
        "The user {user} gets mail on {domain}. Give me the full e-mail address.",
        "Could you tell me the e-mail address for {user} on the domain {domain}?",
        "Which e-mail address belongs to {user} at {domain}?",
        "Build an e-mail address. Before the @ comes {user}, after it comes {domain}.",
        "{user} + {domain} = e-mail address?",
        "I need the e-mail address of our user {user}. Our domain is {domain}.",
        "Let me know the e-mail address. {user} is the user, {domain} is the domain.",
        "Put an @ between {user} and {domain}.",
        "The company has the domain {domain}. What e-mail address does the user {user} have?",
        "Show the full e-mail address: {user}, {domain}",
        "Take the user {user} and add the domain {domain} to get the e-mail address.",
        "How is the e-mail address written if {user} is at {domain}?",
        "There is a new user {user} at {domain}. Print the e-mail address.",
        "I would like to send {user} a message. The domain is {domain}. E-mail address?",
        "On {domain} we have the user {user}. Return the e-mail address.",
    ),
)


def build_email(rng: random.Random, split: Split) -> Task:
    user, host = user_name(rng, split), domain(rng, split)
    wording = _EMAIL.draw(rng, split).format(user=user, domain=host)
    return ask("build_email", "instruction", polite(rng, wording), f"{user}@{host}")


_LETTERS = OpenPool(
    "letters to fill",
    [
        "Dear <name>, your order <order> is on its way.",
        "Hello <name>, we have received order <order>.",
        "<name>, order <order> is ready.",
        "Order <order> for <name> was sent today.",
        "Thank you, <name>. We will check order <order>.",
        "Good news, <name>: order <order> arrives tomorrow.",
        "Dear <name>, we are sorry about order <order>.",
        "The number of your order is <order>, <name>.",
        "Order <order> now belongs to <name>.",
        "Hi <name>, please pay for order <order> this week.",
        "We could not find order <order>, <name>.",
        "Dear <name>, please look at order <order>.",
        "<name> has a question about order <order>.",
    ],
    coined_share=0.8,
)
FILL = phrasings(
    "fill_template",
    "Fill the template with name {name} and order {order}.",
    "Name: {name}. Order: {order}. Fill in the template.",
    "Use the name {name} and the order {order} in this template.",
    "Put {name} and {order} into the template.",
    "Please fill in the template. The name is {name}, the order is {order}.",
    "Order: {order}. Name: {name}. Write the text.",
    "Fill in: name = {name}, order = {order}",
    "Please use name {name} and order {order} to fill the template.",
    "Write the text of the template with name {name} and order {order}.",
    more=(
        "Insert {name} as the name and {order} as the order.",
        "Finish this letter for {name} with order {order}.",
        "The customer is {name} and the order is {order}. Show me the finished text.",
        "I need this text for {name} and order {order}.",
        "Could you complete the template for {name}, order {order}?",
        "name = {name}, order = {order}, text = ?",
        "The name field is {name} and the order field is {order}. Print the full text.",
        "Values: {name} (name), {order} (order). Complete the text.",
        "What does the text say when the name is {name} and the order is {order}?",
        "In this template, name stands for {name} and order for {order}. Write it out.",
        "Let me see the template with {name} and {order} in it.",
        "Let the name be {name} and the order {order}. Give me the text.",
        "The gap for the name gets {name}, the gap for the order gets {order}.",
        "I would like the final text. Its name is {name}, its order is {order}.",
        "Template values: {name}, {order}",
        "Set the name to {name}, set the order to {order} and return the text.",
        "Order {order} belongs in this template, and so does the name {name}.",
        "Make this ready to send: name {name}, order {order}.",
    ),
)


def fill_template(rng: random.Random, split: Split) -> Task:
    """A name and an order id take their places in a one-line letter."""
    name, order = first_name(rng, split), order_id(rng)
    letter, shown = draw_letter(rng, split)
    wording = FILL.draw(rng, split).format(name=name, order=order)
    question = place(rng, wording, shown, label="Template")
    return ask("fill_template", "instruction", question, fill(letter, name, order))


def draw_letter(rng: random.Random, split: Split) -> tuple[str, str]:
    """A letter with the gaps ``<name>`` and ``<order>``, and how it is shown to be filled.

    In training six of ten are any words around the gaps: a dozen letters can be known by heart.
    """
    composed = split == "train" and rng.random() < 0.6
    letter = _compose_letter(rng) if composed else _LETTERS.draw(rng, split)
    left, right = "{}" if rng.random() < 0.5 else "[]"
    return letter, letter.replace("<", left).replace(">", right)


_LETTER_WORDS = (
    *("we", "you", "your", "the", "our", "this", "it", "for", "about", "with", "to", "at", "of"),
    *("is", "was", "has", "will", "can", "have", "please", "sorry", "thanks", "good", "new", "now"),
    *("order", "parcel", "number", "today", "soon", "again", "arrive", "send", "look", "ready"),
)


def _compose_letter(rng: random.Random) -> str:
    """Both gaps in any order, with up to four words before, between and after them."""
    pieces: list[str] = []
    for gap in rng.sample(("<name>", "<order>"), 2):
        pieces += [*_letter_words(rng), gap + rng.choice(("", "", ",", ":", ".", " -"))]
    pieces += _letter_words(rng)
    letter = " ".join(pieces).rstrip(",:.- ")
    return letter[0].upper() + letter[1:] + rng.choice((".", ".", ".", "!", "?"))


def _letter_words(rng: random.Random) -> list[str]:
    return [
        some_word(rng) if rng.random() < 0.3 else rng.choice(_LETTER_WORDS)
        for _ in range(rng.randint(0, 4))
    ]


def fill(letter: str, name: str, order: str) -> str:
    return letter.replace("<name>", name).replace("<order>", order)


_MESSAGES = (
    "Hello, this is {name}. Where is my order {order}? The {product} has not arrived.",
    "{order} is still {status}. Please look at it, {name}.",
    "The {product} from order {order} does not work. I live in {city}.",
    "On {day} I paid for {order}, but it is {status}.",
    "{name} in {city} asks about {order}.",
    "Please send {order} to {city} and not to {other}.",
)
_FIND_ORDER = phrasings(
    "find_order_id",
    "Which order is this about?",
    "Order id?",
    "Write only the order id.",
    "Find the order number in the message.",
    "What is the order id?",
    "Please give me the order number.",
    "Which order number is in the message?",
    "Extract the order id.",
    "Please write only the order number.",
    "Order number of this message?",
    more=(
        "Which order does the customer mean?",
        "I need the order id from this message.",
        "Look for the order number and print it.",
        "order: ?",
        "Could you find the id of the order?",
        "Let me know which order number it is.",
        "The message names an order. Which one?",
        "Copy the order id out of the message.",
        "We want to check this order. What is its number?",
        "Only the id of the order, please.",
        "Show me the number of the order.",
        "I would like to know the order id.",
        "What number does the order have?",
        "Return the order id and nothing else.",
        "Pick out the order number.",
        "For which order was this written?",
        "Read the message and say the id of the order.",
        "Somebody writes about an order. Give me its number.",
    ),
)


def find_order_id(rng: random.Random, split: Split) -> Task:
    order = order_id(rng)
    city, other = CITIES.sample(rng, split, 2)
    message = rng.choice(_MESSAGES).format(
        name=first_name(rng, split),
        order=order,
        product=PRODUCTS.draw(rng, split),
        status=STATUSES.draw(rng, split),
        city=city,
        other=other,
        day=rng.choice(WEEKDAYS),
    )
    question = place(rng, _FIND_ORDER.draw(rng, split), message, label="Message")
    return ask("find_order_id", "instruction", question, order)


FAMILIES: dict[str, Family] = {
    "environment_tag": environment_tag,
    "is_production": is_production,
    "locale_price": locale_price,
    "locale_date": locale_date,
    "greeting": greeting,
    "build_email": build_email,
    "fill_template": fill_template,
    "find_order_id": find_order_id,
}
