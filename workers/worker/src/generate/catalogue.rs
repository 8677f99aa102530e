//! The fixed vocabulary of the generated world: cities, kinds of shop, payment methods, applications.

/// A city and what buying from there means.
#[derive(Debug)]
pub(super) struct City {
    pub(super) name: &'static str,
    /// Written between city and country in the three-part form.
    pub(super) region: &'static str,
    pub(super) country: &'static str,
    /// Offset of local time from UTC.
    pub(super) offset_minutes: i16,
    /// How many people live there, relative to the others.
    pub(super) weight: u16,
    /// What the place adds to the hidden fraud score.
    pub(super) risk: f32,
}

const fn city(
    name: &'static str,
    region: &'static str,
    country: &'static str,
    offset_minutes: i16,
    weight: u16,
    risk: f32,
) -> City {
    City { name, region, country, offset_minutes, weight, risk }
}

/// Where users live and travel.
pub(super) const CITIES: [City; 44] = [
    city("New York", "NY", "USA", -300, 60, 0.0),
    city("Los Angeles", "CA", "USA", -480, 44, 0.1),
    city("Chicago", "IL", "USA", -360, 30, 0.0),
    city("Houston", "TX", "USA", -360, 26, 0.1),
    city("Washington", "DC", "USA", -300, 20, 0.0),
    city("San Francisco", "CA", "USA", -480, 24, 0.0),
    city("Toronto", "Ontario", "Canada", -300, 26, 0.0),
    city("Vancouver", "British Columbia", "Canada", -480, 12, 0.0),
    city("Mexico City", "CDMX", "Mexico", -360, 24, 0.4),
    city("São Paulo", "SP", "Brazil", -180, 30, 0.6),
    city("Rio de Janeiro", "RJ", "Brazil", -180, 16, 0.6),
    city("Buenos Aires", "CABA", "Argentina", -180, 14, 0.3),
    city("London", "England", "United Kingdom", 0, 52, 0.0),
    city("Manchester", "England", "United Kingdom", 0, 16, 0.0),
    city("Edinburgh", "Scotland", "United Kingdom", 0, 8, 0.0),
    city("Dublin", "Leinster", "Ireland", 0, 10, 0.0),
    city("Paris", "Île-de-France", "France", 60, 44, 0.0),
    city("Lyon", "Auvergne-Rhône-Alpes", "France", 60, 12, 0.0),
    city("Berlin", "Berlin", "Germany", 60, 36, 0.0),
    city("München", "Bayern", "Germany", 60, 20, 0.0),
    city("Hamburg", "Hamburg", "Germany", 60, 16, 0.0),
    city("Zürich", "Zürich", "Switzerland", 60, 10, -0.1),
    city("Wien", "Wien", "Austria", 60, 12, 0.0),
    city("Amsterdam", "Noord-Holland", "Netherlands", 60, 16, 0.0),
    city("Madrid", "Madrid", "Spain", 60, 22, 0.0),
    city("Barcelona", "Catalunya", "Spain", 60, 18, 0.1),
    city("Lisboa", "Lisboa", "Portugal", 0, 9, 0.0),
    city("Milano", "Lombardia", "Italy", 60, 20, 0.1),
    city("Warszawa", "Mazowieckie", "Poland", 60, 16, 0.1),
    city("København", "Hovedstaden", "Denmark", 60, 8, -0.1),
    city("Stockholm", "Stockholm", "Sweden", 60, 10, -0.1),
    city("İstanbul", "Marmara", "Türkiye", 180, 20, 0.4),
    city("Dubai", "Dubai", "United Arab Emirates", 240, 10, 0.2),
    city("Mumbai", "Maharashtra", "India", 330, 34, 0.2),
    city("Bengaluru", "Karnataka", "India", 330, 24, 0.2),
    city("Singapore", "Central", "Singapore", 480, 14, 0.0),
    city("東京", "関東", "日本", 540, 34, -0.1),
    city("Seoul", "Seoul", "South Korea", 540, 20, 0.0),
    city("Sydney", "NSW", "Australia", 600, 20, 0.0),
    city("Auckland", "Auckland", "New Zealand", 720, 6, 0.0),
    city("Lagos", "Lagos", "Nigeria", 60, 7, 1.6),
    city("Abuja", "FCT", "Nigeria", 60, 3, 1.6),
    city("Moscow", "Moscow", "Russia", 180, 6, 1.3),
    city("Shanghai", "Shanghai", "China", 480, 9, 1.0),
];

/// The first of the [`CITIES`] in countries that fraud likes; all after it are such, too.
pub(super) const FIRST_HIGH_RISK_CITY: usize = 40;

/// What a shop sells.
#[derive(Debug)]
pub(super) struct Trade {
    pub(super) name: &'static str,
    /// Median price in cents.
    pub(super) median_cents: f64,
    /// Spread of the logarithm of prices.
    pub(super) spread: f64,
    /// What the trade adds to the hidden fraud score.
    pub(super) risk: f32,
}

const fn trade(name: &'static str, median_cents: f64, spread: f64, risk: f32) -> Trade {
    Trade { name, median_cents, spread, risk }
}

/// The trades, each of which exists once under each of the [`HOUSES`].
pub(super) const TRADES: [Trade; 28] = [
    trade("Coffee", 480.0, 0.4, -0.4),
    trade("Bakery", 720.0, 0.5, -0.4),
    trade("Supermarket", 4_200.0, 0.8, -0.4),
    trade("Pharmacy", 1_900.0, 0.7, -0.2),
    trade("Parking", 650.0, 0.6, -0.5),
    trade("Books", 2_100.0, 0.5, -0.3),
    trade("Music Streaming", 1_099.0, 0.1, 0.0),
    trade("Games", 3_900.0, 0.7, 0.5),
    trade("Shoes", 8_900.0, 0.5, 0.1),
    trade("Fashion", 7_400.0, 0.8, 0.1),
    trade("Sports", 6_800.0, 0.8, 0.0),
    trade("Garden & Home", 5_600.0, 0.9, -0.2),
    trade("Toys", 3_300.0, 0.6, -0.2),
    trade("Pizza Delivery", 2_400.0, 0.4, -0.2),
    trade("Restaurant", 5_200.0, 0.6, -0.3),
    trade("Bar", 3_800.0, 0.7, 0.0),
    trade("Taxi", 1_700.0, 0.6, -0.2),
    trade("Railways", 5_900.0, 0.8, -0.2),
    trade("Airlines", 38_000.0, 0.8, 0.3),
    trade("Hotels", 29_000.0, 0.7, 0.2),
    trade("Electronics", 24_000.0, 1.1, 0.8),
    trade("Mobile Phones", 52_000.0, 0.7, 0.9),
    trade("Gift Cards", 5_000.0, 0.9, 1.3),
    trade("Jewellers", 85_000.0, 1.0, 0.9),
    trade("Watches", 140_000.0, 1.1, 0.9),
    trade("Coin Exchange", 32_000.0, 1.3, 1.2),
    trade("Car Parts", 13_000.0, 0.9, 0.1),
    trade("Wholesale", 180_000.0, 1.2, 0.1),
];

/// The names that shops bear before their trade. None needs escaping in JSON but the last.
pub(super) const HOUSES: [&str; 40] = [
    "Northgate",
    "Bluebird",
    "Harbour",
    "Linden",
    "Copper",
    "Old Mill",
    "Juniper",
    "Meridian",
    "Falcon",
    "Riverside",
    "Sunrise",
    "Granite",
    "Maple",
    "Orchid",
    "Pioneer",
    "Quartz",
    "Redwood",
    "Silver Fox",
    "Tulip",
    "Umbra",
    "Vesper",
    "Willow",
    "Zenith",
    "Amber",
    "Beacon",
    "Cobalt",
    "Delta",
    "Ember",
    "Fjord",
    "Golden Gate",
    "Höfner",
    "Île Verte",
    "Jäger",
    "Kestrel",
    "Łódź",
    "Señor",
    "Café Luna",
    "さくら",
    "O'Malley",
    "The \"Corner\"",
];

/// Payment methods by how often users prefer them, in percent.
pub(super) const METHODS: [(&str, u32); 9] = [
    ("credit_card", 44),
    ("debit_card", 25),
    ("paypal", 13),
    ("bank_transfer", 6),
    ("crypto", 2),
    ("apple_pay", 5),
    ("google_pay", 3),
    ("gift_card", 1),
    ("invoice", 1),
];

/// Index of `crypto` in [`METHODS`].
pub(super) const CRYPTO: u8 = 4;

/// An application through which users buy, with the prefix of the device ids that it reports.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) channel: &'static str,
    pub(super) device_prefix: &'static str,
    pub(super) agent: &'static str,
}

const fn application(channel: &'static str, device_prefix: &'static str, agent: &'static str) -> Application {
    Application { channel, device_prefix, agent }
}

/// The applications, most used first.
pub(super) const APPLICATIONS: [Application; 6] = [
    application(
        "mobile_app",
        "ios",
        "Shop/8.2.1 (iPhone16,2; iOS 19.1; Scale/3.00) CFNetwork/1568 Darwin/25.1.0",
    ),
    application(
        "mobile_app",
        "android",
        "Shop/8.2.0 (Linux; Android 16; Pixel 9 Pro Build/BP2A.250605.031) okhttp/5.1",
    ),
    application(
        "web",
        "web",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    ),
    application(
        "web",
        "mac",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/605.1.15 Version/19.1 Safari/605.1.15",
    ),
    application("terminal", "pos", "TillOS/4.11 (Terminal; armv8) contactless/2.3"),
    application("partner_api", "api", "partner-gateway/2026.10 (+https://partners.example.com/contact)"),
];
