"""Values that customers and tools use, each pool cut into those for training and those for evaluation."""

from typing import NamedTuple

from ..dialogue import Pool


class Car(NamedTuple):
    """A model that exists, the body it has and the fuels it is sold with."""

    make: str
    model: str
    body: str
    fuels: tuple[str, ...]


def read_cars(text: str) -> tuple[Car, ...]:
    """Cars from lines of `make model body fuel...`."""
    lines = [line.split() for line in text.strip().splitlines()]
    return tuple(Car(make, model, body, tuple(fuels)) for make, model, body, *fuels in lines)


FIRST_NAMES = Pool(
    train=tuple(
        "Luca Sandra Reto Beat Ursula Fabienne Jérôme Chantal Giulia Matteo Nadia Besart Arta Ilir Priya Suresh "
        "Ana João Ricardo Milica Dragan Elif Mehmet Regula Urs Kathrin Pascal Céline Laurent Yannick Noëlle "
        "Simone Corinne Andrea Mirjam Silvan Nina Flavia Gian Seraina Ladina Tiago Inês Arben Vjosa Kavitha "
        "Ramesh Aisha Tenzin Hanspeter Vreni Ruedi Selina Jana Leandro Adrian Bettina Cyrill Dominik Estelle Fritz "
        "Gabriela Heidi Ivana Jürg Karin Lukas Maja Nicolas Oskar Petra Quentin Roland Sabrina Tobias Ulrich Valérie "
        "Walter Xenia Yvonne Zora Amélie Bojan Claudio Denise Emre Fatima Gjon Hanna Igor Joëlle".split()
    ),
    eval=tuple(
        "Lorena Thomas Annelies Florian Mathilde Olivier Paola Davide Valon Shqipe Anjali Nathan Rui Catarina "
        "Jelena Goran Zeynep Kemal Barbara Christoph Evelyne Damian Rahel Jonas Melanie Stefanie Marco Aline".split()
    ),
)
LAST_NAMES = Pool(
    train=tuple(
        "Brunner Meier Müller Keller Zimmermann Gerber Schmid Wyss Baumann Frei Moser Favre Rochat Dubois "
        "Bernasconi Rossi Ferrari Krasniqi Berisha Gashi Sivakumar Rajan Silva Ferreira Pereira Petrović "
        "Jovanović Yilmaz Demir Hofer Roth Suter Graf Lüthi Egger Steiner Bieri Odermatt Caduff Cavegn Monnier "
        "Chevalley Pellegrini Tashi Hasani Kumar Costa Sutter Hess Amstutz Aebischer Bucher Crettenand Dürr Eugster "
        "Flückiger Grandjean Hofstetter Inauen Jaquet Kälin Leuenberger Mathys Niederberger Oertli Peyer Quadri Rüegg "
        "Schürch Trachsel Ulmer Vonlanthen Wicki Yersin Zgraggen Ademi Babić Correia Duarte Eftimov".split()
    ),
    eval=tuple(
        "Ammann Bachmann Fischer Huber Kaufmann Vogel Widmer Blanc Perret Girard Galli Fontana Shala Morina "
        "Nadarajah Selvam Oliveira Santos Nikolić Kaya Arslan Stucki Zbinden Tobler Gasser Marti".split()
    ),
)
CARS = Pool(
    train=read_cars("""
        Skoda Octavia estate petrol diesel hybrid
        Skoda Kodiaq suv petrol diesel
        Skoda Enyaq suv electric
        Volkswagen Golf hatchback petrol diesel hybrid
        Volkswagen Tiguan suv petrol diesel hybrid
        Volkswagen Passat estate diesel hybrid
        Toyota Corolla estate petrol hybrid
        Toyota Yaris hatchback petrol hybrid
        Toyota Proace van diesel electric
        Ford Focus estate petrol diesel
        Ford Kuga suv diesel hybrid
        Ford Fiesta hatchback petrol
        Opel Corsa hatchback petrol electric
        Opel Astra estate petrol diesel
        Opel Vivaro van diesel electric
        Volvo V60 estate diesel hybrid
        Volvo XC40 suv petrol hybrid electric
        Fiat Panda hatchback petrol hybrid
        Fiat Tipo estate petrol diesel
        Kia Sportage suv petrol diesel hybrid
        Kia Niro suv hybrid electric
        Peugeot Rifter van diesel electric
        Peugeot 308 estate diesel hybrid
        Mazda CX-5 suv petrol diesel
        Dacia Duster suv petrol
        Dacia Spring hatchback electric
        BMW X3 suv diesel hybrid
        BMW i3 hatchback electric
        Mercedes Vito van diesel
        Mercedes EQV van electric
        Jeep Renegade suv petrol hybrid
        MG Marvel estate electric
        MG ZS hatchback petrol hybrid
        Skoda Fabia hatchback petrol
        Skoda Superb estate petrol diesel
        Volkswagen Touran van petrol diesel
        Volkswagen Caddy van diesel electric
        Volkswagen Polo hatchback petrol
        Toyota Aygo hatchback petrol hybrid
        Ford Puma suv petrol hybrid
        Ford Galaxy van diesel hybrid
        Opel Mokka suv petrol electric
        Opel Zafira van diesel electric
        Fiat Doblo van diesel electric
        Kia Picanto hatchback petrol
        Kia Sorento suv diesel hybrid
        Peugeot Partner van diesel electric
        Dacia Sandero hatchback petrol
        Dacia Jogger estate petrol hybrid
        Mercedes Citan van diesel electric
        Jeep Compass suv diesel hybrid
        Lexus UX suv hybrid electric
        Mini Countryman suv petrol electric
        Smart Forfour hatchback electric
        Tesla Roadster hatchback electric
        Polestar Four suv electric
        Lancia Ypsilon hatchback hybrid electric
        Mitsubishi Outlander suv petrol hybrid
        Ssangyong Tivoli suv petrol
        Genesis GV70 suv petrol electric
        Porsche Macan suv petrol electric
        Jaguar Sportbrake estate diesel
        Alfa Giulietta hatchback petrol diesel
        Chevrolet Orlando van petrol diesel
        Chrysler Voyager van diesel
        Rover Streetwise hatchback petrol
        Saab Sonett estate petrol diesel
        Lada Niva suv petrol
        Buick Enspire suv electric
    """),
    eval=read_cars("""
        Seat Leon estate petrol diesel hybrid
        Seat Ateca suv petrol diesel
        Renault Clio hatchback petrol hybrid
        Renault Kangoo van diesel electric
        Renault Captur suv petrol hybrid
        Honda Civic hatchback petrol hybrid
        Honda Jazz hatchback hybrid
        Hyundai Tucson suv diesel hybrid
        Hyundai Kona suv petrol electric
        Audi Avant estate petrol diesel hybrid
        Nissan Qashqai suv petrol hybrid
        Nissan Leaf hatchback electric
        Nissan Townstar van petrol electric
        Suzuki Vitara suv petrol hybrid
        Suzuki Swace estate hybrid
        Subaru Levorg estate petrol
        Citroën Berlingo van diesel electric
        Cupra Born hatchback electric
    """),
)
TOWNS = Pool(
    train=(
        (8004, "Zürich"), (3011, "Bern"), (4051, "Basel"), (1003, "Lausanne"), (6003, "Luzern"),
        (9008, "St. Gallen"), (8400, "Winterthur"), (2502, "Biel"), (3600, "Thun"), (6900, "Lugano"),
        (1700, "Fribourg"), (7050, "Arosa"), (8200, "Schaffhausen"), (5004, "Aarau"), (4600, "Olten"),
        (1950, "Sion"), (6300, "Zug"), (8610, "Uster"), (8640, "Rapperswil"), (3400, "Burgdorf"),
        (1400, "Yverdon"), (1260, "Nyon"), (6600, "Locarno"), (3900, "Brig"),
    ),
    eval=(
        (1204, "Genève"), (4500, "Solothurn"), (8500, "Frauenfeld"), (6500, "Bellinzona"), (1800, "Vevey"),
        (5400, "Baden"), (8820, "Wädenswil"), (3800, "Interlaken"), (2800, "Delémont"), (8750, "Glarus"),
        (4900, "Langenthal"), (9100, "Herisau"), (6460, "Altdorf"), (8180, "Bülach"),
    ),
)  # fmt: skip
STREETS = Pool(
    train=tuple(
        "Seestrasse Bahnhofstrasse Dorfstrasse Hauptstrasse Kirchweg Rosenweg Gartenstrasse Schulhausstrasse "
        "Bergstrasse Lindenweg Industriestrasse Feldstrasse Ringstrasse Birkenweg Sonnenbergstrasse Mühleweg "
        "Quellenstrasse Wiesenweg Rebbergstrasse Zelgweg Aarestrasse Buchenweg Dammstrasse Engelgasse Fabrikstrasse "
        "Grabenstrasse Heuweg Inselweg Jurastrasse Kreuzgasse Länggasse Mattenweg Neugasse Oberdorf Parkweg "
        "Rankstrasse Schlossweg Tannenweg Uferweg Viehweg Winkelgasse Zürichstrasse".split()
    ),
    eval=tuple(
        "Poststrasse Talweg Waldstrasse Brunnenweg Eichenweg Rathausgasse Hofstrasse Weinbergstrasse Steinweg "
        "Kapellweg Rheinstrasse Marktgasse".split()
    ),
)
COLOURS = Pool(train=("blue", "grey", "white", "black", "red"), eval=("silver", "green", "orange"))
VEHICLE_ITEMS = Pool(
    train=(
        "rear window",
        "left door",
        "front bumper",
        "car radio",
        "side mirror",
        "roof rack",
        "right headlight",
        "trunk lid",
        "sliding roof",
        "fuel cap",
        "child chair",
        "licence plate",
        "inner lining",
        "exhaust pipe",
        "heated cushion",
    ),
    eval=("back seat", "engine hood", "tail light", "spare wheel"),
)
HOME_ITEMS = Pool(
    train=(
        "parquet floor",
        "racing bike",
        "leather sofa",
        "kitchen table",
        "gold watch",
        "old piano",
        "garden shed",
        "coffee machine",
        "record player",
        "wall clock",
        "ski boots",
        "baby pram",
        "bread oven",
        "glass cabinet",
        "tennis racket",
    ),
    eval=("silk carpet", "electric guitar", "wooden bed", "camera bag", "oil painting"),
)
