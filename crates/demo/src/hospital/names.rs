//! Names that people bear, in the scripts that they write them in. Put together by chance, nobody's in particular.

use super::dice::Dice;

/// A name as its bearer writes it, and in Latin letters.
pub(super) type Name = (&'static str, &'static str);

const ROWS: usize = 10;

/// People who share a language and its way with names.
#[derive(Debug)]
pub(super) struct Culture {
    /// BCP 47.
    pub(super) language: &'static str,
    pub(super) language_name: &'static str,
    /// Whether the family name is written first, and what stands between the names.
    order: Order,
    /// Race by the categories that US Core asks for: code and words.
    pub(super) race: (&'static str, &'static str),
    families: [Name; ROWS],
    women: [Name; ROWS],
    men: [Name; ROWS],
}

#[derive(Debug)]
enum Order {
    GivenFirst,
    FamilyFirst,
    FamilyFirstJoined,
}

const WHITE: (&str, &str) = ("2106-3", "White");
const ASIAN: (&str, &str) = ("2028-9", "Asian");
const BLACK: (&str, &str) = ("2054-5", "Black or African American");

impl Culture {
    /// A culture by chance; every other patient writes in Latin letters.
    pub(super) fn by_chance(dice: &mut Dice) -> &'static Self {
        if dice.chance(55) { dice.pick(&LATIN) } else { dice.pick(&OTHER_SCRIPTS) }
    }

    pub(super) fn family(&self, dice: &mut Dice) -> Name {
        dice.pick(&self.families)
    }

    pub(super) fn woman(&self, dice: &mut Dice) -> Name {
        dice.pick(&self.women)
    }

    pub(super) fn man(&self, dice: &mut Dice) -> Name {
        dice.pick(&self.men)
    }

    /// The whole name in the order of this culture.
    pub(super) fn whole(&self, given: &str, family: &str) -> String {
        match self.order {
            Order::GivenFirst => format!("{given} {family}"),
            Order::FamilyFirst => format!("{family} {given}"),
            Order::FamilyFirstJoined => format!("{family}{given}"),
        }
    }
}

const fn same(names: [&'static str; ROWS]) -> [Name; ROWS] {
    let [a, b, c, d, e, f, g, h, i, j] = names;
    [(a, a), (b, b), (c, c), (d, d), (e, e), (f, f), (g, g), (h, h), (i, i), (j, j)]
}

static LATIN: [&Culture; 7] = [&ENGLISH, &ENGLISH, &SPANISH, &POLISH, &VIETNAMESE, &NORDIC, &WEST_AFRICAN];
static OTHER_SCRIPTS: [&Culture; 9] =
    [&UKRAINIAN, &GREEK, &ARABIC, &HEBREW, &CHINESE, &KOREAN, &JAPANESE, &HINDI, &TAMIL];

pub(super) static ENGLISH: Culture = Culture {
    language: "en",
    language_name: "English",
    order: Order::GivenFirst,
    race: WHITE,
    families: same([
        "Ashdown",
        "Brackenridge",
        "O’Dell",
        "Fairweather",
        "Holloway-Quist",
        "Larkspur",
        "Merriwether",
        "Penhallow",
        "Thistlewood",
        "Winterbourne",
    ]),
    women: same(["Agnes", "Beatrix", "Chloë", "Dorothea", "Edith", "Harriet", "Imogen", "Maren", "Rosalind", "Zoë"]),
    men: same(["Alden", "Barnaby", "Cedric", "Desmond", "Emmett", "Gareth", "Linus", "Magnus", "Rufus", "Tobias"]),
};

pub(super) static SPANISH: Culture = Culture {
    language: "es",
    language_name: "Spanish",
    order: Order::GivenFirst,
    race: WHITE,
    families: same([
        "Castellanos Rey",
        "Ibáñez Peña",
        "Quiñones Vera",
        "Zúñiga Luna",
        "Montalbán Ríos",
        "Arístegui Sol",
        "Bermúdez Cano",
        "Echeverría Paz",
        "Yáñez Mora",
        "Ordóñez Valle",
    ]),
    women: same(["Lucía", "Inés", "Begoña", "Itziar", "María José", "Noemí", "Rocío", "Soledad", "Ángela", "Ximena"]),
    men: same(["Mateo", "Andrés", "Íñigo", "José Ángel", "Julián", "Martín", "Óscar", "Raúl", "Tomás", "Hernán"]),
};

static POLISH: Culture = Culture {
    language: "pl",
    language_name: "Polish",
    order: Order::GivenFirst,
    race: WHITE,
    families: same([
        "Błaszczyk",
        "Dąbrowa",
        "Gżegżółka",
        "Jagiełło",
        "Łuczak",
        "Mróz",
        "Rżany",
        "Świerczek",
        "Wójt",
        "Źrebiec",
    ]),
    women: same([
        "Bożena",
        "Elżbieta",
        "Grażyna",
        "Jadwiga",
        "Łucja",
        "Małgorzata",
        "Róża",
        "Stanisława",
        "Zofia",
        "Żaneta",
    ]),
    men: same([
        "Bolesław",
        "Czesław",
        "Grzegorz",
        "Kazimierz",
        "Łukasz",
        "Mieczysław",
        "Paweł",
        "Przemysław",
        "Szczepan",
        "Zdzisław",
    ]),
};

static VIETNAMESE: Culture = Culture {
    language: "vi",
    language_name: "Vietnamese",
    order: Order::FamilyFirst,
    race: ASIAN,
    families: same(["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Dương"]),
    women: same([
        "Thị Hạnh",
        "Ánh Tuyết",
        "Bích Ngọc",
        "Kim Oanh",
        "Lan Hương",
        "Mỹ Duyên",
        "Phương Thảo",
        "Quỳnh Như",
        "Thuỳ Trang",
        "Yến Nhi",
    ]),
    men: same([
        "Văn Đức",
        "Anh Tuấn",
        "Bảo Quốc",
        "Công Thành",
        "Đình Phúc",
        "Gia Huy",
        "Hữu Nghĩa",
        "Minh Khôi",
        "Quang Hải",
        "Xuân Trường",
    ]),
};

static NORDIC: Culture = Culture {
    language: "nb",
    language_name: "Norwegian Bokmål",
    order: Order::GivenFirst,
    race: WHITE,
    families: same([
        "Ås",
        "Bjørkestrand",
        "Dahlström",
        "Fjordvik",
        "Gjørv",
        "Høyset",
        "Kvåle",
        "Nygård",
        "Sæterdal",
        "Østhagen",
    ]),
    women: same(["Åse", "Bergljot", "Dagny", "Gøril", "Ingebjørg", "Jorunn", "Märta", "Ragnhild", "Sølvi", "Þóra"]),
    men: same(["Åsmund", "Bjørn", "Eyvind", "Gunnar", "Håkon", "Jón", "Kåre", "Ørjan", "Sigurður", "Torbjörn"]),
};

static WEST_AFRICAN: Culture = Culture {
    language: "yo",
    language_name: "Yoruba",
    order: Order::GivenFirst,
    race: BLACK,
    families: same([
        "Adébáyọ̀",
        "Àkànní",
        "Balógun",
        "Ẹ̀bùn",
        "Fálọlá",
        "Ọlátúnjí",
        "Ògúnlẹ́yẹ",
        "Ṣówándé",
        "Táíwò",
        "Yusuf-Àjàyí",
    ]),
    women: same([
        "Àbẹ̀ní",
        "Bọ́láńlé",
        "Dọlápọ̀",
        "Fọláṣadé",
        "Ìyábọ̀",
        "Kẹ́hìndé",
        "Mọ́rẹ̀nikẹ́",
        "Ọmọlará",
        "Títílayọ̀",
        "Yétúndé",
    ]),
    men: same(["Adéwálé", "Ayọ̀délé", "Báyọ̀", "Ẹniọlá", "Fẹ́mi", "Kúnlé", "Ọlá", "Ṣẹ́gun", "Túndé", "Wọlé"]),
};

static UKRAINIAN: Culture = Culture {
    language: "uk",
    language_name: "Ukrainian",
    order: Order::GivenFirst,
    race: WHITE,
    families: [
        ("Бондаренко", "Bondarenko"),
        ("Гнатюк", "Hnatiuk"),
        ("Дяченко", "Diachenko"),
        ("Журба", "Zhurba"),
        ("Ковальчук", "Kovalchuk"),
        ("Лисенко", "Lysenko"),
        ("Юрченко", "Yurchenko"),
        ("Стельмах", "Stelmakh"),
        ("Черненко", "Chernenko"),
        ("Їжакевич", "Yizhakevych"),
    ],
    women: [
        ("Богдана", "Bohdana"),
        ("Галина", "Halyna"),
        ("Дарина", "Daryna"),
        ("Зоряна", "Zoriana"),
        ("Ірина", "Iryna"),
        ("Леся", "Lesia"),
        ("Оксана", "Oksana"),
        ("Соломія", "Solomiia"),
        ("Уляна", "Uliana"),
        ("Ярослава", "Yaroslava"),
    ],
    men: [
        ("Андрій", "Andrii"),
        ("Богдан", "Bohdan"),
        ("Гнат", "Hnat"),
        ("Остап", "Ostap"),
        ("Іван", "Ivan"),
        ("Левко", "Levko"),
        ("Мирослав", "Myroslav"),
        ("Святослав", "Sviatoslav"),
        ("Тарас", "Taras"),
        ("Юрій", "Yurii"),
    ],
};

static GREEK: Culture = Culture {
    language: "el",
    language_name: "Greek",
    order: Order::GivenFirst,
    race: WHITE,
    families: [
        ("Αλεξίου", "Alexiou"),
        ("Βασιλείου", "Vasileiou"),
        ("Γεωργίου", "Georgiou"),
        ("Δημητρίου", "Dimitriou"),
        ("Θεοδώρου", "Theodorou"),
        ("Ιωάννου", "Ioannou"),
        ("Κωνσταντίνου", "Konstantinou"),
        ("Νικολάου", "Nikolaou"),
        ("Στεφάνου", "Stefanou"),
        ("Χριστοδούλου", "Christodoulou"),
    ],
    women: [
        ("Αθηνά", "Athina"),
        ("Βασιλική", "Vasiliki"),
        ("Δέσποινα", "Despoina"),
        ("Ελένη", "Eleni"),
        ("Ζωή", "Zoi"),
        ("Ιφιγένεια", "Ifigeneia"),
        ("Καλλιόπη", "Kalliopi"),
        ("Σοφία", "Sofia"),
        ("Φωτεινή", "Foteini"),
        ("Χρυσάνθη", "Chrysanthi"),
    ],
    men: [
        ("Αχιλλέας", "Achilleas"),
        ("Γιώργος", "Giorgos"),
        ("Δημήτρης", "Dimitris"),
        ("Ευάγγελος", "Evangelos"),
        ("Ηλίας", "Ilias"),
        ("Θωμάς", "Thomas"),
        ("Λεωνίδας", "Leonidas"),
        ("Νίκος", "Nikos"),
        ("Παναγιώτης", "Panagiotis"),
        ("Χρήστος", "Christos"),
    ],
};

pub(super) static ARABIC: Culture = Culture {
    language: "ar",
    language_name: "Arabic",
    order: Order::GivenFirst,
    race: WHITE,
    families: [
        ("الزهيري", "Al-Zuhairi"),
        ("البغدادي", "Al-Baghdadi"),
        ("الخطيب", "Al-Khatib"),
        ("الشامي", "Al-Shami"),
        ("الفارس", "Al-Faris"),
        ("حدّاد", "Haddad"),
        ("منصور", "Mansour"),
        ("النجّار", "Al-Najjar"),
        ("العطّار", "Al-Attar"),
        ("القاضي", "Al-Qadi"),
    ],
    women: [
        ("آمنة", "Amina"),
        ("ثريّا", "Thuraya"),
        ("حنان", "Hanan"),
        ("رُبى", "Ruba"),
        ("زينب", "Zaynab"),
        ("سُعاد", "Suad"),
        ("ليلى", "Layla"),
        ("مريم", "Maryam"),
        ("نورا", "Noura"),
        ("هدى", "Huda"),
    ],
    men: [
        ("إبراهيم", "Ibrahim"),
        ("أيوب", "Ayyoub"),
        ("جمال", "Jamal"),
        ("خالد", "Khalid"),
        ("رياض", "Riyad"),
        ("سامي", "Sami"),
        ("طارق", "Tariq"),
        ("فؤاد", "Fuad"),
        ("ياسين", "Yasin"),
        ("يوسف", "Yusuf"),
    ],
};

static HEBREW: Culture = Culture {
    language: "he",
    language_name: "Hebrew",
    order: Order::GivenFirst,
    race: WHITE,
    families: [
        ("אלמוג", "Almog"),
        ("בן־עמי", "Ben-Ami"),
        ("גולן", "Golan"),
        ("דרור", "Dror"),
        ("הראל", "Harel"),
        ("כרמלי", "Carmeli"),
        ("לביא", "Lavi"),
        ("עופר", "Ofer"),
        ("שחר", "Shahar"),
        ("תמיר", "Tamir"),
    ],
    women: [
        ("אביגיל", "Avigail"),
        ("דבורה", "Dvora"),
        ("חנה", "Hannah"),
        ("יעל", "Yael"),
        ("מיכל", "Michal"),
        ("נעמה", "Naama"),
        ("רות", "Ruth"),
        ("שירה", "Shira"),
        ("תמר", "Tamar"),
        ("צפורה", "Tzipora"),
    ],
    men: [
        ("אורי", "Uri"),
        ("בועז", "Boaz"),
        ("גדעון", "Gideon"),
        ("חיים", "Haim"),
        ("יואב", "Yoav"),
        ("מתן", "Matan"),
        ("נועם", "Noam"),
        ("עידו", "Ido"),
        ("צבי", "Zvi"),
        ("שמעון", "Shimon"),
    ],
};

static CHINESE: Culture = Culture {
    language: "zh",
    language_name: "Chinese",
    order: Order::FamilyFirstJoined,
    race: ASIAN,
    families: [
        ("王", "Wang"),
        ("李", "Li"),
        ("陳", "Chen"),
        ("林", "Lin"),
        ("黃", "Huang"),
        ("吳", "Wu"),
        ("歐陽", "Ouyang"),
        ("蔡", "Cai"),
        ("謝", "Xie"),
        ("龔", "Gong"),
    ],
    women: [
        ("雅婷", "Yating"),
        ("美玲", "Meiling"),
        ("詩涵", "Shihan"),
        ("芳", "Fang"),
        ("曉雯", "Xiaowen"),
        ("淑華", "Shuhua"),
        ("思妤", "Siyu"),
        ("月娥", "Yue’e"),
        ("瑞蓮", "Ruilian"),
        ("靜宜", "Jingyi"),
    ],
    men: [
        ("建國", "Jianguo"),
        ("志明", "Zhiming"),
        ("俊傑", "Junjie"),
        ("偉", "Wei"),
        ("家豪", "Jiahao"),
        ("宗翰", "Zonghan"),
        ("承恩", "Cheng’en"),
        ("國棟", "Guodong"),
        ("文彬", "Wenbin"),
        ("冠宇", "Guanyu"),
    ],
};

static KOREAN: Culture = Culture {
    language: "ko",
    language_name: "Korean",
    order: Order::FamilyFirstJoined,
    race: ASIAN,
    families: [
        ("김", "Kim"),
        ("박", "Park"),
        ("최", "Choi"),
        ("정", "Jung"),
        ("강", "Kang"),
        ("조", "Cho"),
        ("윤", "Yoon"),
        ("임", "Lim"),
        ("남궁", "Namgung"),
        ("황", "Hwang"),
    ],
    women: [
        ("서연", "Seoyeon"),
        ("지우", "Jiwoo"),
        ("하은", "Haeun"),
        ("수민", "Sumin"),
        ("예진", "Yejin"),
        ("은주", "Eunju"),
        ("미경", "Migyeong"),
        ("영숙", "Youngsook"),
        ("다솜", "Dasom"),
        ("보라", "Bora"),
    ],
    men: [
        ("민준", "Minjun"),
        ("도윤", "Doyun"),
        ("성호", "Seongho"),
        ("현우", "Hyunwoo"),
        ("준서", "Junseo"),
        ("태영", "Taeyoung"),
        ("재훈", "Jaehoon"),
        ("상철", "Sangcheol"),
        ("동건", "Donggun"),
        ("한결", "Hangyeol"),
    ],
};

static JAPANESE: Culture = Culture {
    language: "ja",
    language_name: "Japanese",
    order: Order::FamilyFirst,
    race: ASIAN,
    families: [
        ("佐藤", "Sato"),
        ("髙橋", "Takahashi"),
        ("渡邉", "Watanabe"),
        ("山﨑", "Yamazaki"),
        ("伊藤", "Ito"),
        ("小林", "Kobayashi"),
        ("森", "Mori"),
        ("五十嵐", "Igarashi"),
        ("長谷川", "Hasegawa"),
        ("岡", "Oka"),
    ],
    women: [
        ("さくら", "Sakura"),
        ("陽子", "Yoko"),
        ("美咲", "Misaki"),
        ("結衣", "Yui"),
        ("ひかり", "Hikari"),
        ("千尋", "Chihiro"),
        ("恵", "Megumi"),
        ("文子", "Fumiko"),
        ("カレン", "Karen"),
        ("葵", "Aoi"),
    ],
    men: [
        ("翔太", "Shota"),
        ("健一", "Kenichi"),
        ("大輔", "Daisuke"),
        ("蓮", "Ren"),
        ("直樹", "Naoki"),
        ("隆", "Takashi"),
        ("悠真", "Yuma"),
        ("誠", "Makoto"),
        ("つよし", "Tsuyoshi"),
        ("レオ", "Leo"),
    ],
};

static HINDI: Culture = Culture {
    language: "hi",
    language_name: "Hindi",
    order: Order::GivenFirst,
    race: ASIAN,
    families: [
        ("अग्रवाल", "Agrawal"),
        ("कुलकर्णी", "Kulkarni"),
        ("गुप्ता", "Gupta"),
        ("चतुर्वेदी", "Chaturvedi"),
        ("त्रिपाठी", "Tripathi"),
        ("पाण्डेय", "Pandey"),
        ("मिश्रा", "Mishra"),
        ("राठौड़", "Rathore"),
        ("शर्मा", "Sharma"),
        ("श्रीवास्तव", "Srivastava"),
    ],
    women: [
        ("अनन्या", "Ananya"),
        ("ईशा", "Isha"),
        ("कृष्णा", "Krishna"),
        ("दीप्ति", "Deepti"),
        ("नंदिनी", "Nandini"),
        ("प्रिया", "Priya"),
        ("मीनाक्षी", "Meenakshi"),
        ("लक्ष्मी", "Lakshmi"),
        ("श्रेया", "Shreya"),
        ("सुनीता", "Sunita"),
    ],
    men: [
        ("अर्जुन", "Arjun"),
        ("आदित्य", "Aditya"),
        ("कबीर", "Kabir"),
        ("गौरव", "Gaurav"),
        ("धर्मेश", "Dharmesh"),
        ("नरेश", "Naresh"),
        ("प्रकाश", "Prakash"),
        ("रोहित", "Rohit"),
        ("विक्रम", "Vikram"),
        ("हर्ष", "Harsh"),
    ],
};

static TAMIL: Culture = Culture {
    language: "ta",
    language_name: "Tamil",
    order: Order::GivenFirst,
    race: ASIAN,
    families: [
        ("முருகன்", "Murugan"),
        ("சுப்பிரமணியம்", "Subramaniam"),
        ("நடராஜன்", "Natarajan"),
        ("இளங்கோவன்", "Ilangovan"),
        ("வேலுசாமி", "Velusamy"),
        ("பாண்டியன்", "Pandiyan"),
        ("சேகர்", "Sekar"),
        ("ராமநாதன்", "Ramanathan"),
        ("குமரேசன்", "Kumaresan"),
        ("தியாகராஜன்", "Thiyagarajan"),
    ],
    women: [
        ("கயல்விழி", "Kayalvizhi"),
        ("மலர்", "Malar"),
        ("தமிழ்ச்செல்வி", "Tamilselvi"),
        ("யாழினி", "Yazhini"),
        ("வள்ளி", "Valli"),
        ("கோமதி", "Gomathi"),
        ("அன்பரசி", "Anbarasi"),
        ("பூங்கொடி", "Poongodi"),
        ("செல்வி", "Selvi"),
        ("நிலா", "Nila"),
    ],
    men: [
        ("அருண்", "Arun"),
        ("இனியன்", "Iniyan"),
        ("கதிர்", "Kathir"),
        ("செந்தில்", "Senthil"),
        ("மணி", "Mani"),
        ("வெற்றி", "Vetri"),
        ("பாரி", "Paari"),
        ("எழிலன்", "Ezhilan"),
        ("முகிலன்", "Mugilan"),
        ("சரவணன்", "Saravanan"),
    ],
};

/// The culture of the first of the cast; her family name has a letter that older systems lose.
pub(super) static FRENCH: Culture = Culture {
    language: "fr",
    language_name: "French",
    order: Order::GivenFirst,
    race: WHITE,
    families: same([
        "Vasterœuil",
        "Beauchêne",
        "Çelik-Dupré",
        "Deschênes",
        "Épinay",
        "Guérinot",
        "L’Hôpital-Sœur",
        "Noëlle",
        "Pontœuvre",
        "Thévenoux",
    ]),
    women: same([
        "Amélie",
        "Bérénice",
        "Cécile",
        "Éloïse",
        "Françoise",
        "Hélène",
        "Maëlle",
        "Noémie",
        "Océane",
        "Solène",
    ]),
    men: same(["Aimé", "Benoît", "Cédric", "Étienne", "François", "Gaël", "Jérôme", "Loïc", "Noël", "Rémi"]),
};
