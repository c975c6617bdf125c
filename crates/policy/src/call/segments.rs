//! The segments of HL7 v2 by name, and how segments and fields are written in a policy: `PID`, `PID-3`, `PID-5.1`.

use crate::fault::suggest;

/// The segments of HL7 v2.5.1 and later that carry what a hospital sends; a site's own begin with `Z`.
const SEGMENTS: &str = "ABS ACC ADD AFF AIG AIL AIP AIS AL1 APR ARQ ARV AUT BHS BLC BLG BPO BPX BTS BTX CDM CER CM0 CM1 CM2 CNS CON \
    CSP CSR CSS CTD CTI DB1 DG1 DMI DRG DSC DSP ECD ECR EDU EQP EQU ERR EVN FAC FHS FT1 FTS GOL GP1 GP2 GT1 IAM IAR IIM \
    ILT IN1 IN2 IN3 INV IPC IPR ISD ITM IVC IVT LAN LCC LCH LDP LOC LRL MFA MFE MFI MRG MSA MSH NCK NDS NK1 NPU NSC NST \
    NTE OBR OBX ODS ODT OH1 OH2 OH3 OH4 OM1 OM2 OM3 OM4 OM5 OM6 OM7 ORC ORG OVR PAC PCE PCR PD1 PDA PDC PEO PES PID PKG \
    PMT PR1 PRA PRB PRC PRD PRT PSG PSH PSL PSS PTH PV1 PV2 PYE QAK QID QPD QRD QRF QRI RCP RDF RDT REL RF1 RFI RGS RMI \
    ROL RQ1 RQD RXA RXC RXD RXE RXG RXO RXR RXV SAC SCD SCH SCP SDD SFT SGH SGT SHP SID SLT SPM STF STZ TCC TCD TQ1 TQ2 \
    TXA UAC UB1 UB2 URD URS VAR VND";

/// The highest number of a field, and of a component.
const NUMBER_MAX: u16 = 255;

/// `PID`, `PID-3`, `PID-5.1`.
///
/// # Errors
/// What is wrong, and what to write.
pub(crate) fn field(text: &str) -> Result<String, (String, String)> {
    let (segment, place) = text.split_once('-').map_or((text, None), |(segment, place)| (segment, Some(place)));
    let own = segment.len() == 3
        && segment.starts_with('Z')
        && segment.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !own && !SEGMENTS.split_whitespace().any(|known| known == segment) {
        return Err((format!("no such segment: `{segment}`"), suggest(segment, SEGMENTS.split_whitespace())));
    }
    let number = |part: &str| {
        part.parse::<u16>().is_ok_and(|number| (1..=NUMBER_MAX).contains(&number)) && !part.starts_with(['0', '+'])
    };
    let sound = place.is_none_or(|place| {
        let (field, component) =
            place.split_once('.').map_or((place, None), |(field, component)| (field, Some(component)));
        number(field) && component.is_none_or(number)
    });
    if sound {
        return Ok(text.to_owned());
    }
    Err((format!("`{text}` is no field of {segment}"), format!("write it as \"{segment}-3\" or \"{segment}-5.1\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_fields_and_components_are_told_from_slips() {
        for sound in ["PID", "PID-3", "PID-5.1", "ZPI", "ZPI-1", "OBX-5", "STZ"] {
            assert!(field(sound).is_ok(), "{sound}");
        }
        for wrong in [
            "PIDD",
            "pid",
            "PID-",
            "PID-0",
            "PID-3.",
            "PID-3.0",
            "PID-x",
            "PID-256",
            "PID.3",
            "Z1",
            "PID-+3",
            "PID-3.1.1",
        ] {
            assert!(field(wrong).is_err(), "{wrong}");
        }
        assert!(field("PIDD").unwrap_err().1.contains("`PID`"));
    }
}
