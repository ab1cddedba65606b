"""Which words name which COCO class, and which words name no thing at all.

The 80 classes are those of Lin et al., "Microsoft COCO: Common Objects in Context" (2014). A word verifies a class in
one of four ways, and the way decides what seeing or missing the class proves:

``exact``, ``synonym``  the word is the class: both seeing and missing it count
``hyponym``             the word is a kind of the class (puppy, taxi): missing the class refutes it
``hypernym``            the class is a kind of the word (animal, vehicle): any class of the set supports it
``near``                the class covers only part of what the word can mean (table, bag, glass): seeing it supports,
                        missing it proves nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Match = Literal["exact", "synonym", "hyponym", "hypernym", "near"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word verifies to: any of ``classes``, by ``match``."""

    classes: tuple[str, ...]
    match: Match


# Id → name as the detectors trained on COCO number them; 80 of the ids 1–90 are used.
COCO_IDS: dict[int, str] = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck", 9: "boat",
    10: "traffic light", 11: "fire hydrant", 13: "stop sign", 14: "parking meter", 15: "bench", 16: "bird", 17: "cat",
    18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant", 23: "bear", 24: "zebra", 25: "giraffe",
    27: "backpack", 28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase", 34: "frisbee", 35: "skis", 36: "snowboard",
    37: "sports ball", 38: "kite", 39: "baseball bat", 40: "baseball glove", 41: "skateboard", 42: "surfboard",
    43: "tennis racket", 44: "bottle", 46: "wine glass", 47: "cup", 48: "fork", 49: "knife", 50: "spoon", 51: "bowl",
    52: "banana", 53: "apple", 54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot", 58: "hot dog", 59: "pizza",
    60: "donut", 61: "cake", 62: "chair", 63: "couch", 64: "potted plant", 65: "bed", 67: "dining table", 70: "toilet",
    72: "tv", 73: "laptop", 74: "mouse", 75: "remote", 76: "keyboard", 77: "cell phone", 78: "microwave", 79: "oven",
    80: "toaster", 81: "sink", 82: "refrigerator", 84: "book", 85: "clock", 86: "vase", 87: "scissors", 88: "teddy bear",
    89: "hair drier", 90: "toothbrush",
}  # fmt: skip
COCO_CLASSES = tuple(COCO_IDS.values())

_SYNONYMS: dict[str, str] = {
    "person": "people, human, human being, individual",
    "bicycle": "bike, pushbike, push bike",
    "car": "automobile, motorcar",
    "motorcycle": "motorbike, motor bike",
    "airplane": "plane, aeroplane",
    "truck": "lorry",
    "traffic light": "stoplight, stop light, traffic signal",
    "fire hydrant": "hydrant, fireplug",
    "bench": "park bench",
    "cow": "cattle",
    "backpack": "rucksack, knapsack",
    "umbrella": "parasol",
    "handbag": "purse, hand bag, tote bag, shoulder bag",
    "tie": "necktie, bow tie, bowtie",
    "suitcase": "luggage",
    "frisbee": "flying disc",
    "skis": "ski, pair of skis",
    "sports ball": "ball",
    "baseball glove": "baseball mitt, catcher's mitt",
    "tennis racket": "tennis racquet",
    "wine glass": "wineglass, goblet",
    "cup": "mug, coffee cup, teacup, tea cup",
    "hot dog": "hotdog",
    "donut": "doughnut",
    "couch": "sofa, settee, loveseat",
    "potted plant": "houseplant, house plant, pot plant",
    "dining table": "dinner table, kitchen table",
    "tv": "television, television set, tv set, tv screen, television screen",
    "laptop": "laptop computer, notebook computer",
    "mouse": "computer mouse",
    "remote": "remote control, tv remote, remote controller, game controller, wii remote",
    "keyboard": "computer keyboard",
    "cell phone": "cellphone, mobile phone, smartphone, smart phone, iphone, cellular phone",
    "microwave": "microwave oven",
    "oven": "stove",
    "refrigerator": "fridge",
    "scissors": "scissor, pair of scissors",
    "teddy bear": "teddy",
    "hair drier": "hair dryer, hairdryer, blow dryer, blowdryer",
}
_HYPONYMS: dict[str, str] = {
    "person": "man, woman, boy, girl, child, kid, toddler, baby, infant, lady, gentleman, guy, adult, teenager, teen, youth, "
    "pedestrian, cyclist, biker, bicyclist, motorcyclist, skier, snowboarder, skateboarder, surfer, swimmer, rider, jockey, "
    "driver, passenger, spectator, bystander, onlooker, commuter, shopper, diner, player, tennis player, baseball player, "
    "soccer player, basketball player, catcher, umpire, referee, goalkeeper, athlete, runner, jogger, hiker, "
    "climber, dancer, musician, singer, guitarist, chef, cook, baker, waiter, waitress, bartender, barista, farmer, fisherman, "
    "worker, construction worker, firefighter, policeman, policewoman, police officer, soldier, astronaut, nurse, doctor, surgeon, "
    "bride, groom, couple, family, crowd, tourist, beachgoer, cowboy, sailor, monk, nun, priest, mother, father, grandmother, "
    "grandfather, daughter, son",
    "car": "sedan, taxi, taxicab, cab, suv, hatchback, coupe, convertible, station wagon, minivan, limousine, limo, police car, "
    "sports car, race car, racing car, jeep",
    "motorcycle": "dirt bike, moped, vespa",
    "bicycle": "mountain bike, tandem, road bike",
    "airplane": "jet, airliner, jetliner, biplane, fighter jet, seaplane, passenger plane, jumbo jet",
    "bus": "school bus, double-decker bus, double decker, minibus, tour bus, city bus",
    "train": "locomotive, steam train, freight train, passenger train, subway train, steam engine",
    "truck": "pickup truck, pickup, fire truck, fire engine, semi truck, dump truck, garbage truck, tow truck, delivery truck, food truck",
    "boat": "sailboat, canoe, kayak, yacht, ferry, rowboat, speedboat, fishing boat, ship, gondola, motorboat, tugboat",
    "bird": "seagull, gull, pigeon, dove, duck, goose, swan, parrot, parakeet, eagle, hawk, owl, sparrow, robin, crow, raven, heron, "
    "flamingo, pelican, peacock, ostrich, rooster, hen, woodpecker, cardinal, blue jay, hummingbird, turkey, stork, finch",
    "cat": "kitten, kitty, tabby, tabby cat, siamese cat",
    "dog": "puppy, pup, hound, labrador, golden retriever, retriever, terrier, poodle, bulldog, german shepherd, husky, chihuahua, "
    "corgi, beagle, dachshund, dalmatian, border collie, collie, spaniel, pug, rottweiler",
    "horse": "pony, foal, mare, stallion, colt",
    "sheep": "lamb, ewe, ram",
    "cow": "calf, bull, heifer, ox, steer",
    "bear": "grizzly, grizzly bear, polar bear, brown bear, black bear, panda, bear cub, panda bear",
    "elephant": "baby elephant, elephant calf",
    "sports ball": "baseball, soccer ball, football, basketball, tennis ball, volleyball, rugby ball, beach ball, golf ball, bowling ball",
    "bottle": "water bottle, wine bottle, beer bottle, soda bottle, plastic bottle, glass bottle",
    "knife": "butter knife, kitchen knife, steak knife, bread knife",
    "bowl": "salad bowl, soup bowl, mixing bowl",
    "sandwich": "burger, hamburger, cheeseburger, panini, sub, blt, club sandwich",
    "orange": "mandarin, tangerine, clementine",
    "carrot": "baby carrot",
    "pizza": "pizza slice, pepperoni pizza",
    "cake": "birthday cake, wedding cake, chocolate cake, cheesecake, layer cake",
    "chair": "armchair, office chair, rocking chair, folding chair, lawn chair, desk chair, highchair, high chair, dining chair, "
    "wooden chair, recliner, lounge chair, beach chair, plastic chair",
    "bed": "bunk bed, king bed, double bed, hospital bed, twin bed",
    "tv": "flat screen tv, flatscreen, flat screen television, flat-screen tv",
    "laptop": "macbook, chromebook",
    "sink": "kitchen sink, bathroom sink, washbasin",
    "refrigerator": "freezer",
    "book": "textbook, paperback, novel, cookbook",
    "clock": "wall clock, alarm clock, clock face, grandfather clock",
    "vase": "flower vase, glass vase",
}
_NEAR: dict[str, str] = {
    "person": "batter, pitcher",
    "dining table": "table, desk, coffee table, picnic table, wooden table, side table, end table",
    "wine glass, cup": "glass, drinking glass, tumbler",
    "cup": "paper cup, plastic cup",
    "potted plant": "plant, flower pot, flowerpot, planter",
    "potted plant, vase": "flower, bouquet, rose, tulip",
    "handbag, backpack, suitcase": "bag, luggage bag, duffel bag, briefcase, satchel, messenger bag",
    "tv, laptop": "screen, monitor, computer monitor, computer screen, display screen",
    "laptop, tv, keyboard": "computer, desktop computer, desktop, pc",
    "cell phone": "phone, telephone, mobile",
    "cell phone, remote": "controller",
    "baseball bat": "bat",
    "baseball glove": "mitt, catcher mitt",
    "tennis racket": "racket, racquet, badminton racket",
    "car, truck, bus": "van",
    "train, bus": "tram, trolley, streetcar, coach",
    "motorcycle, bicycle": "scooter",
    "chair, couch, bench": "seat",
    "chair": "stool, bar stool, barstool, throne",
    "bird": "chicken, penguin",
    "airplane": "helicopter, aircraft",
    "teddy bear": "stuffed animal, plush, plush toy, stuffed toy, stuffed bear",
    "cake, donut": "pastry, cupcake, muffin, dessert",
    "clock": "watch, clock tower",
    "stop sign": "sign, street sign, road sign, traffic sign",
    "book": "magazine, notebook, album",
    "kite": "parachute",
    "bed": "mattress, crib, cot, bunk",
    "boat": "raft, vessel",
    "couch": "futon, sectional",
    "refrigerator, oven, microwave": "kitchen appliance, appliance",
    "bowl, cup": "dish, container",
    "broccoli, carrot": "vegetable, veggie",
    "banana, apple, orange": "fruit, citrus",
    "sandwich, pizza, hot dog, cake, donut, broccoli, carrot, banana, apple, orange": "food, meal, snack",
    "elephant, zebra, giraffe, bear": "wildlife, wild animal",
    "skis, snowboard": "ski equipment",
    "traffic light": "street light, streetlight, signal",
    "toilet": "urinal, bidet",
}
_ANIMALS = "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe"
_VEHICLES = "bicycle, car, motorcycle, airplane, bus, train, truck, boat"
_HYPERNYMS: dict[str, str] = {
    _ANIMALS: "animal, mammal, creature",
    "cat, dog, bird": "pet",
    "sheep, cow, horse": "livestock, farm animal, herd",
    _VEHICLES: "vehicle",
    "car, bus, truck, motorcycle": "motor vehicle",
    "fork, knife, spoon": "utensil, cutlery, silverware, tableware, flatware, eating utensil",
    "chair, couch, bed, dining table, bench": "furniture, piece of furniture",
}


def _table() -> dict[str, Meaning]:
    """Every known phrase, singular and lower case. The narrowest match is written last and wins."""
    table: dict[str, Meaning] = {}
    sources: tuple[tuple[dict[str, str], Match], ...] = (
        (_HYPERNYMS, "hypernym"),
        (_NEAR, "near"),
        (_HYPONYMS, "hyponym"),
        (_SYNONYMS, "synonym"),
    )
    for source, match in sources:
        for classes, phrases in source.items():
            for phrase in phrases.split(", "):
                table[phrase] = Meaning(tuple(classes.split(", ")), match)
    return table | {name: Meaning((name,), "exact") for name in COCO_CLASSES}


MEANINGS = _table()


def words(text: str) -> frozenset[str]:
    """A set of words from a text of them."""
    return frozenset(text.split())


# Things outside COCO that an answer may name: claims wherever they stand in a depicting sentence.
THINGS = words(
    """
    antenna apron arch arrow axe backboard bag balcony balloon bandage bannister barn barrel basket bathtub bead beard belt bin
    binder blanket blender blinds board bookcase bookshelf boot bow bowtie box bracelet branch bread brick bridge broom brush bucket
    building bulb bush butter butterfly button cabin cabinet cable cage calculator camel camera candle candy cane cannon canopy
    canvas cap cape card cardboard carpet cart castle ceiling chain chalkboard chandelier cheese chimney chopstick church cigar
    cigarette cliff closet cloth clothes clothing cloud coat coffee coin column comb cone cookie cooler cord corn counter countertop
    crab crane crate cross crown cucumber cupboard curtain cushion deer desk dinosaur dock dolphin door doorway drawer dress dresser
    drink drum dustbin earring easel egg engine envelope eyeglasses fan faucet feather fence fireplace fish flag flame flower forest
    fountain fox frame frog garage gate globe glove goat goggles grape grass grill guitar gun hammer hammock handle hanger
    hat headphone headphones headset hedge heel helicopter helmet hill hook horn hose house hut jacket jar jeans jersey jewelry jug
    juice kangaroo kettle key ladder lake lamp lamppost lantern leaf leash leaves lemon lemonade letter lettuce lid light lighter
    lighthouse lion lizard llama locker log lotion magazine magnet mailbox map mask mast mat meat medal melon menu microphone milk
    mirror mitten monkey moon moose mop mountain mushroom napkin necklace nest net newspaper nightstand oar octopus onion ornament
    ottoman outlet paddle palm pan pants paper parachute pasta path pear pen pencil pepper piano pickle pier pig pillar pillow
    pineapple pipe plate pocket podium pole pond pool pot potato printer projector propeller pumpkin puppet rabbit radiator radio
    rail railing ramp raspberry ribbon rice ring river road robe robot rock roof rope rose rug ruler sail salad sandal sausage
    saxophone scale scarf seal shark shed shelf shell shield shirt shoe shorts shovel shower shrimp skeleton skirt sled slipper
    snail snake sneaker snow soap sock soup spider squash squirrel stage stair staircase stairs steak stick stone stove straw
    strawberry stroller suit sun sunglass sunglasses sweater sweatshirt swing sword syrup t-shirt tablecloth tablet tank tape tent
    tiger tire toast tomato tongs tool toothpaste towel tower track tractor trailer tray tree tripod trophy trousers trumpet tub
    tube turtle typewriter uniform vacuum valley vest violin waffle wagon walkway wall wallet waterfall watermelon wave web well
    whale wheel wheelchair whiteboard wig windmill window windshield wing wire wolf
    """
)

# Words for the picture itself, for places in it, for parts and kinds, and for what is not a thing: never a claim.
NOT_THINGS = words(
    """
    ability absence access accessory accident act action activity adventure afternoon age air ambiance ambience amount angle another
    answer anybody anyone anything appearance area arm arrangement array art aspect assistant atmosphere attention author back
    backdrop background balance bathroom beach beauty bedroom beginning behavior bit blue body border bottom bunch business buyer
    campus caption case cashier center centre chance change character charm chest choice citizen city classroom client close-up
    closeup collection color colour combination company composition condition confidence contact contents context contrast
    conversation corner country countryside court crop culture customer date day daylight daytime deal degree depth description
    design detail difference direction dirt display distance diversity document ear edge effect elbow element emotion employee
    employer end energy enjoyment environment evening event everybody everyone everything evidence example exhibition expression eye
    face fact feature feeling feet field figure finger floor focus foot foreground forehead form front fun function fur game garden
    gesture glimpse glow green grey ground group guess hair half hallway hand harmony head height hint hip history home hotel hour
    idea image impression indication indoors information inside instance interaction interest interior item job joy kind kitchen
    knee label land landscape language lap layer layout left leg length level life lighting line lip list living lobby location look
    lot majority mall manager manner market match material meeting merchant middle midst mix mixture moment mood morning motion
    mouth movement museum name nature neck need neighborhood night noise none nose nothing number object occasion ocean office one
    opportunity option order orientation other outdoors outside overview owner pace pair park part participant party past pattern
    pavement paw perspective photo photograph photography picture piece place plan play playground plaza plenty point population
    portion portrait pose position presence present problem process product purpose quality quantity question race range reason
    recreation red reflection region relation relaxation representation respondent rest restaurant result right room runway rush
    sale sand scenario scene scenery screenshot sea season seating section selection seller sense series set setting shade shadow
    shape share shop shore shot shoulder side sidewalk sight silhouette size skill skin sky sleep slope somebody someone something space
    speed sport spot stack standing state statement station step store story street style subject summary summer sunlight sunrise
    sunset supplier surface surrounding surroundings tail team teeth term text texture theme thing thought thumb time title toe
    tongue top topic touch town tradition traffic transportation trip trunk tusk type use user variety vendor version vibe vicinity
    video view viewer visibility visit volume voter walk warmth water way weather weekend while white whole width winter word work
    world worth wrist yard year yellow yes zone zoo
    """
)

# A thing of these is only shown, not there: a painting of a dog proves no dog.
DEPICTIONS = words(
    "painting poster drawing statue sculpture figurine mural cartoon sticker tattoo illustration sketch logo portrait engraving "
    "embroidery mosaic doodle billboard advertisement ad magnet toy doll replica silhouette icon emoji"
)
# These name the evidence itself unless the sentence places them in it.
PICTURES = words("picture photo photograph image snapshot photography scene shot view close-up closeup frame still")
COLOUR_WORDS = words(
    "black white red green blue yellow orange brown grey gray pink purple beige tan gold golden silver turquoise teal maroon navy"
)
# COCO classes with a plural form for one thing: "two pairs" would count differently.
PAIRED = frozenset(("skis", "scissors"))
# "a pair of skis", "a group of people": the thing is what follows "of".
MEASURES = words(
    "pair group bunch set couple number variety collection lot piece slice stack pile row line array herd flock pack crowd team series "
    "bit kind type sort plenty range assortment handful dozen cluster heap loaf head portion serving part majority"
)


def meaning_of(phrase: str) -> Meaning | None:
    """What a singular lower-case phrase verifies to, trying the whole phrase and then its last words; None outside COCO."""
    words = phrase.split()
    for start in range(len(words)):
        known = MEANINGS.get(" ".join(words[start:]))
        if known is not None:
            return known
    return None
