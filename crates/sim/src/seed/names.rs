//! The words people and companies are made of.

use super::SplitMix64;

pub(super) const FIRST: &[&str] = &[
    "Ada", "Alan", "Amara", "Ana", "Andre", "Anna", "Aisha", "Ben", "Beatriz", "Carla", "Carlos",
    "Chen", "Chloe", "Daniel", "Diego", "Dora", "Elena", "Emma", "Eric", "Farah", "Felix", "Fiona",
    "George", "Grace", "Hana", "Hugo", "Ines", "Isaac", "Ivan", "Jakob", "James", "Jin", "Karen",
    "Kofi", "Lars", "Laura", "Leila", "Leo", "Linh", "Louis", "Lucia", "Mark", "Marta", "Mei",
    "Miguel", "Mina", "Nadia", "Nikhil", "Nora", "Olga", "Omar", "Oscar", "Paul", "Petra", "Priya",
    "Rachel", "Ravi", "Rosa", "Samuel", "Sara", "Sofia", "Tariq", "Tomas", "Uma", "Vera", "Wei",
    "Yara", "Yusuf", "Zoe", "Zoltan",
];

pub(super) const LAST: &[&str] = &[
    "Adams", "Ahmed", "Allen", "Baker", "Barros", "Becker", "Bell", "Bianchi", "Brown", "Campbell",
    "Castro", "Chang", "Clark", "Cohen", "Costa", "Cruz", "Davis", "Diaz", "Dubois", "Evans",
    "Fischer", "Flores", "Foster", "Fuentes", "Gomez", "Gray", "Green", "Gupta", "Hall", "Hansen",
    "Harris", "Hill", "Huang", "Ito", "Jackson", "Jensen", "Jones", "Kaya", "Khan", "Kim", "King",
    "Kowalski", "Kumar", "Larsen", "Lee", "Lopez", "Martin", "Mensah", "Meyer", "Mitchell",
    "Moore", "Morales", "Nguyen", "Novak", "Okafor", "Olsen", "Ortiz", "Park", "Patel", "Perez",
    "Reed", "Rossi", "Sato", "Schmidt", "Silva", "Singh", "Suzuki", "Taylor", "Turner", "Walker",
    "Weber", "White", "Wilson", "Wright", "Yilmaz", "Young",
];

/// Weighted: looked up with a number from 0 to 19.
pub(super) const TIERS: &[&str] = &[
    "Bronze", "Bronze", "Bronze", "Bronze", "Bronze", "Bronze", "Bronze", "Bronze", "Bronze",
    "Bronze", "Silver", "Silver", "Silver", "Silver", "Silver", "Gold", "Gold", "Gold", "Gold",
    "Platinum",
];

pub(super) const TITLES: &[&str] = &[
    "Accountant",
    "Analyst",
    "Architect",
    "Buyer",
    "Clerk",
    "Director",
    "Engineer",
    "Owner",
    "Planner",
    "Secretary",
    "Technician",
    "Vice President",
];

pub(super) const CITIES: &[(&str, &str)] = &[
    ("Springfield", "IL"),
    ("Portland", "OR"),
    ("Austin", "TX"),
    ("Denver", "CO"),
    ("Madison", "WI"),
    ("Tampa", "FL"),
    ("Albany", "NY"),
    ("Reno", "NV"),
    ("Fargo", "ND"),
    ("Boise", "ID"),
    ("Tucson", "AZ"),
    ("Salem", "MA"),
];

const HEADS: &[&str] = &[
    "Blue", "Bright", "Cedar", "Clear", "Copper", "East", "Ever", "Fair", "Grand", "Green", "High",
    "Iron", "Lake", "North", "Oak", "Pine", "Red", "River", "Silver", "Stone", "Summit", "West",
];

const TAILS: &[&str] = &[
    "Bank",
    "Bakery",
    "Clinic",
    "Construction",
    "Electric",
    "Farms",
    "Foods",
    "Freight",
    "Garage",
    "Hotels",
    "Insurance",
    "Labs",
    "Logistics",
    "Media",
    "Motors",
    "Supply",
    "Systems",
    "Textiles",
];

/// The name of the company of that number; unique through its number.
pub(super) fn company(number: u64, seed: u64) -> String {
    let mut dice = SplitMix64::new(seed ^ number ^ 0xC0_FFEE);
    let (head, tail) = (dice.pick::<&str>(HEADS), dice.pick::<&str>(TAILS));
    format!("{head} {tail} {}", number + 1)
}
