"""The words of the story grammar: people, places, goals, troubles, fixes and endings.

Only text. A plot keeps the parts together that fit each other, so that a story makes sense.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    """`goal` is a verb phrase; `troubles` and `fixes` use ``{who}`` and ``{friend}``."""

    goal: str
    done: str
    troubles: tuple[str, ...]
    fixes: tuple[str, ...]


NAMES: tuple[str, ...] = (
    *("Anna", "Tom", "Lily", "Max", "Sara", "Ben", "Emma", "Paul", "Nina", "Jack", "Mia", "Leo"),
    *("Ella", "Sam", "Kate", "Oscar", "Rosa", "Adam", "Julia", "Peter", "Maria", "David", "Lucy"),
    *("Hugo", "Alice", "Felix", "Eva", "Simon", "Clara", "Martin", "Zoe", "Daniel", "Ruth"),
    *("Victor", "Helen", "Philip", "Grace", "Robin", "Laura", "Marco"),
)

PLACES: tuple[str, ...] = (
    *("the garden", "the kitchen", "the park", "the school", "the market", "the library"),
    *("the beach", "the forest", "the farm", "the station", "the museum", "the harbour"),
    *("the bakery", "the hotel", "the old mill", "the bridge", "the church", "the lake"),
    *("the office", "the cinema", "the barn", "the playground", "the castle", "the hospital"),
    *("the bus stop", "the theatre", "the post office", "the mountain hut", "the zoo", "the café"),
)

THINGS: tuple[str, ...] = (
    *("a red ball", "a silver key", "an old book", "a blue umbrella", "a small box", "a letter"),
    *("a wooden boat", "a brown hat", "a warm coat", "a green bottle", "a gold coin", "a map"),
    *("a basket of apples", "a toy train", "a violin", "a white cup", "a torch", "a black bag"),
    *("a bunch of flowers", "a fresh loaf", "a striped scarf", "a yellow kite", "a camera"),
    *("a bird cage", "a pair of boots", "a clock", "a jar of honey", "a picture", "a ticket"),
    *("a bell",),
)

TIMES: tuple[str, ...] = (
    *("in the morning", "in the afternoon", "in the evening", "at noon", "on Monday"),
    *("on Tuesday", "on Friday", "on Sunday", "after lunch", "before breakfast", "at night"),
    *("after school", "last week", "in spring", "in winter", "on a rainy day"),
)

ADJECTIVES: tuple[str, ...] = (
    *("kind", "clever", "shy", "brave", "quiet", "cheerful", "curious", "patient", "old"),
    *("young", "friendly", "busy", "proud", "gentle", "tired"),
)

JOBS: tuple[str, ...] = (
    *("baker", "farmer", "teacher", "nurse", "tailor", "sailor", "miller", "painter", "singer"),
    *("gardener", "cook", "doctor", "fisher", "shepherd", "king", "queen", "student", "driver"),
)

ANIMALS: tuple[str, ...] = (
    *("fox", "bear", "mouse", "rabbit", "owl", "cat", "dog", "hen", "goat", "duck", "wolf"),
    *("frog", "horse", "crow", "hedgehog", "donkey"),
)

PLOTS: tuple[Plot, ...] = (
    Plot(
        "bake a cake",
        "the cake was on the table",
        (
            "There was no sugar in the house.",
            "The oven stayed cold.",
            "The first cake came out black.",
            "The cat drank all the milk.",
        ),
        (
            "{friend} brought what was missing.",
            "{who} used honey and the oven of {friend}.",
            "They read the recipe again and tried once more.",
            "{who} ran to the shop before it closed.",
        ),
    ),
    Plot(
        "build a boat",
        "the boat was on the water",
        (
            "Water came in from below.",
            "The wood was too short.",
            "The sail had a big hole.",
            "Nobody had a hammer.",
        ),
        (
            "{friend} closed the hole with an old coat.",
            "{who} cut new boards from a fallen tree.",
            "They borrowed tools from the harbour.",
            "{who} and {friend} worked all night.",
        ),
    ),
    Plot(
        "find the lost dog",
        "the dog was home again",
        (
            "It was dark and nobody answered.",
            "The rain washed away the tracks.",
            "The gate had been left open.",
            "Someone had seen it near the road.",
        ),
        (
            "{friend} heard a soft bark behind a wall.",
            "{who} put a bowl of meat in the yard.",
            "They asked at every door in the street.",
            "{who} followed the small tracks in the mud.",
        ),
    ),
    Plot(
        "grow a garden",
        "the garden was full of flowers",
        (
            "The sun was hot and the soil was dry.",
            "Rabbits ate the first leaves.",
            "The seeds did not come up.",
            "A storm broke the fence.",
        ),
        (
            "{who} carried water every evening.",
            "{friend} built a small fence.",
            "They bought new seeds and waited.",
            "{friend} showed {who} how to cover the plants.",
        ),
    ),
    Plot(
        "learn to swim",
        "nobody was afraid of the water any more",
        (
            "The water was cold and deep.",
            "{who} was afraid to let go.",
            "The other children laughed.",
            "The pool was closed for a week.",
        ),
        (
            "{friend} held out a hand and counted to ten.",
            "{who} began in the warm part near the steps.",
            "They went to the lake and practised each day.",
            "{friend} said that every swimmer was afraid once.",
        ),
    ),
    Plot(
        "repair the clock",
        "the clock was ticking again",
        (
            "A small wheel was missing.",
            "The spring was broken.",
            "The key did not fit.",
            "Dust had stopped every wheel.",
        ),
        (
            "{friend} found the part under the bed.",
            "{who} made a new one from a spoon.",
            "They cleaned it with a soft brush and some oil.",
            "{who} asked the old tailor, who had the same clock.",
        ),
    ),
    Plot(
        "win the race",
        "there was a medal on the wall",
        (
            "A shoe broke on the way.",
            "The hill was steep and the wind was strong.",
            "{who} fell in the first round.",
            "The others were bigger and faster.",
        ),
        (
            "{friend} gave {who} a pair of old boots.",
            "{who} kept a slow and steady pace.",
            "{who} got up and thought of all the training.",
            "{friend} ran beside the track and called out.",
        ),
    ),
    Plot(
        "give a concert",
        "the people clapped for a long time",
        (
            "The piano was out of tune.",
            "The lights went out.",
            "{who} forgot the first song.",
            "Only three people came.",
        ),
        (
            "{friend} lit forty candles.",
            "{who} took the violin and played by heart.",
            "They opened the windows and people came in from the street.",
            "{friend} hummed the first notes.",
        ),
    ),
    Plot(
        "cross the mountains",
        "the valley lay open in the sun",
        (
            "Snow had closed the path.",
            "Fog hid the next hut.",
            "The bread was gone on the second day.",
            "A bridge was broken.",
        ),
        (
            "{who} waited until the weather was clear.",
            "{friend} knew an old path by the river.",
            "They shared the last apple and went on.",
            "{who} asked a shepherd for the way.",
        ),
    ),
    Plot(
        "sell the old house",
        "a young family moved in",
        (
            "The roof let the rain in.",
            "Nobody came to look at it.",
            "The door was stuck.",
            "The price was too high.",
        ),
        (
            "{friend} painted the door bright blue.",
            "{who} mended the roof in two days.",
            "They put a sign at the market.",
            "{who} asked a fair price at last.",
        ),
    ),
    Plot(
        "write a song",
        "everyone in the street could sing it",
        (
            "No word wanted to fit.",
            "The street was loud all day.",
            "The pen was empty.",
            "The tune was gone in the morning.",
        ),
        (
            "{who} walked by the river and listened.",
            "{friend} tapped the rhythm on a cup.",
            "They wrote it on the wall with chalk.",
            "{friend} had heard it through the window and knew it still.",
        ),
    ),
    Plot(
        "catch the last train",
        "the train rolled into the night",
        (
            "The bus was late.",
            "The ticket was at home.",
            "The bag was too heavy.",
            "The clock at the tower was wrong.",
        ),
        (
            "{friend} came by with a bike.",
            "{who} ran across the field.",
            "They left half of the bag with the baker.",
            "The driver saw {who} and waited.",
        ),
    ),
)

ENDINGS: tuple[str, ...] = (
    "They laughed about it for years.",
    "{who} slept well that night.",
    "{who} thanked {friend} and made tea.",
    "From then on they always worked together.",
    "{who} never forgot that day.",
    "It was worth all the work.",
    "Everyone at {place} spoke about it.",
    "And tomorrow they would do it again.",
    "{friend} only smiled.",
    "{who} learned that good friends matter more than luck.",
)

MOODS: tuple[str, ...] = (
    "It was a cold morning and the streets were empty.",
    "The sun stood high and the birds were loud.",
    "The wind came from the sea and smelled of salt.",
    "It had rained all week and the ground was soft.",
    "The first snow lay on the roofs.",
    "In those days people had time for each other.",
    "It was the year of the big storm.",
    "The evenings were long and warm.",
    "Nobody in the street knew about it yet.",
    "The leaves were red and yellow.",
)

WEATHER: tuple[tuple[str, str, int, int], ...] = (
    ("sunny and dry", "You can leave the umbrella at home.", 12, 30),
    ("cloudy with some rain", "Take an umbrella with you.", 4, 20),
    ("cold with snow", "Wear a warm coat and drive slowly.", -12, 1),
    ("windy but clear", "It is a good day to fly a kite.", 5, 20),
    ("foggy until noon", "Boats should wait for better sight.", 0, 14),
    ("hot and calm", "Drink enough water and stay in the shade.", 26, 36),
    ("stormy with thunder", "Please stay inside.", 10, 25),
    ("mild with light clouds", "A walk in the park is a fine idea.", 12, 22),
)
REGIONS: tuple[str, ...] = (
    *("In the north", "In the south", "In the east", "In the west", "In the hills"),
    *("On the coast", "In the city", "In the valley"),
)
DAYS: tuple[str, ...] = (
    *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
)

HOW_TO: dict[str, tuple[str, ...]] = {
    "make tea": (
        "Boil fresh water.",
        "Warm the pot.",
        "Put in two spoons of tea.",
        "Pour the water over it.",
        "Wait four minutes.",
        "Add milk or lemon if you like.",
    ),
    "plant a tree": (
        "Choose a sunny place.",
        "Dig a hole twice as wide as the roots.",
        "Set the tree in the middle.",
        "Fill in the soil and press it down.",
        "Give it plenty of water.",
        "Tie it to a stick.",
    ),
    "wash a woollen coat": (
        "Read the label.",
        "Fill a tub with cool water.",
        "Add a little soap.",
        "Press the coat gently and do not rub.",
        "Rinse it twice.",
        "Let it dry flat.",
    ),
    "make vegetable soup": (
        "Cut two carrots and an onion.",
        "Heat some oil in a pot.",
        "Fry the onion until it is soft.",
        "Add the carrots and a litre of water.",
        "Let it cook for twenty minutes.",
        "Add salt and serve it hot.",
    ),
    "mend a bike tyre": (
        "Take the wheel off.",
        "Pull out the tube.",
        "Find the hole under water.",
        "Dry the tube and put glue on it.",
        "Press the patch on the hole.",
        "Put the wheel back and pump it up.",
    ),
    "fold a paper boat": (
        "Take a sheet of paper.",
        "Fold it in half.",
        "Fold the corners to the middle.",
        "Turn up the lower edges.",
        "Open it and press it to a square.",
        "Pull the two ends apart.",
    ),
    "learn a poem": (
        "Read it aloud.",
        "Learn the first two lines.",
        "Walk around and say them.",
        "Add two lines more.",
        "Write the poem down from memory.",
        "Say it to a friend.",
    ),
    "pack a bag": (
        "Make a list.",
        "Put heavy things at the bottom.",
        "Roll your shirts.",
        "Keep your papers on top.",
        "Leave some space for gifts.",
        "Close it and lift it once.",
    ),
}
