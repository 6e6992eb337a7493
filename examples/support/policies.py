"""The desk's policies: one fixed answer each, and how customers ask for it; draws nothing.

A block is a name and an answer, then one wording a line. `{good}` stands for any product,
`{electric}` for one with a plug, `{furniture}` for a piece of furniture.
"""

from __future__ import annotations

_BLOCKS = """
= return_period | You can return items within 40 days.
How many days do I have to return a {good}?
Until when can I return my {good}?
How long can I return an item?
What is the return period?
How much time do I have for a return?
Is there a time limit for returns?
Within how many days must I send the {good} back?
I bought a {good} two weeks ago. Can I still return it?
How late can I send back the {good}?
What is the last day for a return?
For how long do you take items back?
= return_cost | Returns are free with our green label.
What does a return cost?
Is it free to return the {good}?
Do I have to pay for a return?
Who pays for the return of my {good}?
How much do you charge for returns?
Are returns free?
Must I pay to send the {good} back?
What is the price of a return?
Does it cost money to send an item back?
Do you pay the return of the {good}?
= refund_time | Your refund is paid within 6 working days.
How long does a refund take?
When do I get my money back?
When will you pay the refund for the {good}?
How many days until I have my refund?
I sent the {good} back. When do I get the money?
When is the refund paid?
How fast are refunds?
How long do I wait for my money after a return?
When will the refund be in my account?
After how many days do you pay me back?
= delivery_time | Delivery takes 3 to 4 working days.
How long does delivery take?
How many days does the delivery of a {good} take?
When will a new order arrive?
How fast do you deliver?
If I order a {good} today, when does it come?
What is your delivery time?
How long must I wait for a {good}?
How soon can you deliver a {good}?
In how many days do you deliver?
What is the usual time for delivery?
= express | Express delivery takes one day and costs 11 euros.
Do you have express delivery?
What does express cost?
Can I get the {good} tomorrow with express?
I need the {good} very fast. Is there an express service?
How much is express delivery?
How fast is express?
Is there a faster delivery?
Can you send the {good} by express?
Tell me about express delivery.
I am in a hurry. Can the {good} come tomorrow?
= delivery_cost | Our normal delivery costs 6 euros.
What does delivery cost?
How much is the delivery of a {good}?
How much do you charge for delivery?
What is the price of delivery?
Do I have to pay for delivery?
What do I pay to have the {good} delivered?
How much does it cost to send a {good} to me?
What are the delivery costs?
How many euros is delivery?
= free_delivery | Delivery is free from 75 euros.
When is delivery free?
From which amount is delivery free?
Do you have free delivery?
How much must I order for free delivery?
Is delivery free for large orders?
How can I get free delivery?
At what price does delivery become free?
Can I get the {good} delivered for free?
What is the limit for free delivery?
= hours | We are open Monday to Friday from 8:30 to 17:30.
When are you open?
What are your opening hours?
When can I reach you?
How late are you open today?
At what time do you open?
When do you close?
Until when is your desk open?
On which days are you open?
Which hours do you work?
Are you open on Tuesday morning?
= weekend | On Saturday we answer from 9:00 to 13:00.
Are you open on Saturday?
Do you work on the weekend?
Can I reach you on Saturday?
What are your hours on Saturday?
Is somebody there on the weekend?
When are you open on Saturdays?
How long do you work on a Saturday?
Does the desk answer on weekends?
Can I ask you something on Saturday morning?
= phone | Please call us on 555 0142.
What is your phone number?
Can I call you?
Which number should I call?
I would like to talk to you by phone.
Give me your telephone number, please.
How can I reach you by phone?
Under which number can I call the desk?
Do you have a phone?
I want to call you about a {good}. What is the number?
= email | Please write to us: desk@otterby.example.
What is your email address?
Where can I write to you?
Can I send you an email?
To which address should I write?
Give me your email, please.
How can I reach you by email?
I want to send you a picture of the {good}. What is your email?
Do you have an email address?
Which email does the desk use?
= payment | You can pay by card, bank transfer or invoice.
How can I pay?
Which payment methods do you have?
Can I pay by card?
Do you take bank transfer?
Can I pay the {good} by invoice?
What are the ways to pay?
How do I pay for a {good}?
Which cards and payments do you take?
Can I choose how to pay?
What kinds of payment are possible?
= cash | Sorry, we do not take cash.
Can I pay in cash?
Do you take cash?
Is cash possible?
I only have cash. Can I pay the {good} with it?
Can I give the driver cash?
I want to pay cash for the {good}.
May I pay with coins and notes?
Do you accept cash at the door?
= parts_payment | You can pay in 4 parts from 120 euros.
Can I pay in parts?
Can I pay for the {good} every month?
Is it possible to pay in parts?
Do you offer monthly payments?
In how many parts can I pay?
Can I pay a little every month?
The {good} is expensive. Can I pay in parts?
How do I split the payment?
May I pay half now and half later?
= gift_card | Our gift cards are valid for 4 years.
How long is a gift card valid?
When does my gift card end?
I have an old gift card. Can I still use it?
Until when can I use the gift card?
Is my gift card from last year still valid?
How many years can I keep a gift card?
Do gift cards have an end date?
Can I use a gift card after two years?
= gift_wrap | Gift wrapping costs 3 euros.
Can you wrap the {good} as a gift?
What does gift wrapping cost?
Do you wrap gifts?
The {good} is a gift. Can you wrap it?
How much is gift paper?
I want the {good} in gift paper.
Do you have gift wrapping?
Can my order come in gift paper?
What do I pay for wrapping?
= cancel | You can cancel until the order is packed.
How long can I cancel an order?
Until when can I cancel?
Can I cancel my order after I pay?
May I still cancel the {good}?
When is it too late to cancel?
Can orders be cancelled?
I may want to cancel. How long is that possible?
What is the rule to cancel an order?
Is it possible to cancel the {good} later?
= abroad | We also deliver to Austria, Belgium and Denmark.
Do you deliver to other countries?
To which countries do you deliver?
Can you send a {good} to another country?
I live in another country. Do you deliver there?
Which countries can I order from?
Do you deliver to Austria?
Do you send parcels to Denmark?
Can my sister in Belgium get a {good} from you?
Is delivery abroad possible?
= assembly | Our team builds your furniture for 35 euros.
Can you build the furniture for me?
Do you put the {furniture} together?
What does it cost to build the {furniture}?
Who builds my {furniture}?
Can somebody come and build the {furniture}?
Do I have to build the {furniture} myself?
How much do you take to build furniture?
I cannot build the {furniture} alone. Do you help?
Is there a team that builds the {furniture}?
= old_item | We take your old item away for 20 euros.
Can you take my old {good} away?
What happens to my old {good}?
Do you remove the old {good}?
How much does it cost to take away the old {good}?
Will the driver take the old {good} with him?
I want to get rid of my old {good}. Can you take it?
Do you take away old items?
Can I give you my old {good}?
= spare_parts | We keep spare parts for 8 years.
How long do you keep spare parts?
Do you have spare parts for old items?
For how many years can I get spare parts?
Can I buy spare parts for my {electric} later?
Are there spare parts for a {electric} from last year?
How many years do you have spare parts?
Will there still be spare parts in five years?
Until when are spare parts sold?
= student | Students pay 12 percent less.
Do students pay less?
Is there a student price?
I am a student. Do I get the {good} for less?
How much do students save?
What is the discount for students?
Do you have a discount for students?
I go to university. Is there a discount for me?
How many percent do students get?
= price_match | We match a lower price for 14 days.
I saw the {good} for less in another shop.
Do you match lower prices?
Another shop has a lower price. Do you match it?
What if I find the {good} cheaper?
The {good} is cheaper in another shop. What can you do?
The price fell after I bought the {good}. Do you pay me the rest?
Will you match a cheaper price?
For how long do you match the price of another shop?
= showroom | Our showroom is at 14 Mill Street in Bremen.
Where is your showroom?
Can I see the {good} before I buy it?
Do you have a shop that I can visit?
What is the address of your shop?
Where can I visit you?
In which city is your showroom?
Can I come and look at a {good}?
Where can I try the {good}?
Is there a shop in my city?
= hold | We hold an item for you for 5 days.
Can you hold the {good} for me?
How long do you hold an item?
Can I reserve a {good}?
Please keep a {good} for me until I have money.
For how many days can you hold a {good}?
Do you hold items for customers?
Can you put a {good} aside for me?
How long can I reserve an item?
= repair | A repair takes 2 weeks.
How long does a repair take?
How long will you repair my {electric}?
When is my {electric} repaired?
How many weeks does a repair take?
You are repairing my {electric}. When will it be done?
How much time do you need to repair a {electric}?
How long must I wait for the repair?
When do I get the {electric} back from repair?
"""

# The warranty depends on the product: the same wording has one of two answers.
_WARRANTY = """
How long is the warranty of the {item}?
What warranty does a {item} have?
For how long is my {item} under warranty?
How many months of warranty do I get for a {item}?
Does the {item} have a warranty?
When does the warranty of my {item} end?
Tell me the warranty of the {item}.
I want to know the warranty of a {item}.
Is there a warranty for the {item}?
What is the time of warranty for a {item}?
Until when is the {item} under warranty?
"""
WARRANTY_ANSWERS = {
    "electric": "Items with a plug have a warranty of 5 years.",
    "plain": "This item has a warranty of 28 months.",
}
WARRANTY: tuple[str, ...] = tuple(_WARRANTY.strip().splitlines())


def _parse(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    policies = {}
    for block in text.strip().removeprefix("= ").split("\n= "):
        head, *wordings = block.splitlines()
        name, answer = head.split(" | ")
        policies[name] = (answer, tuple(wordings))
    return policies


POLICIES: dict[str, tuple[str, tuple[str, ...]]] = _parse(_BLOCKS)
"""Name: the answer, and the wordings of the question."""
